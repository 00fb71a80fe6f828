"""A page of GPUs behind TLS and a token, as the options of `inferometer sidecar` ask for it."""

import threading
from pathlib import Path

import locked_pages as locked
import pytest

from inferometer.catalog import gpus
from inferometer.errors import RefusedError
from inferometer.fleet.page_access import PageAccess
from inferometer_compose.commands.page_access import PageOptions, of_gpu_pages
from inferometer_compose.commands.sidecar import Options, settings_of
from inferometer_exporters.pages.fetch import PageUrl
from inferometer_exporters.sidecar import Sidecar

TESTS = Path(__file__).parents[2]
PAGE = TESTS / "data" / "gpus" / "dcgm-exporter-2023-08.prom"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return locked.certificates(tmp_path_factory.mktemp("locked"))


def watts(sidecar):
    shown = (family for family in sidecar.pipeline.snapshot.families if family.entry is gpus.GPU_POWER)
    return [sample.value for family in shown for sample in family.samples]


def test_a_sidecar_reads_a_page_that_asks_for_a_token_and_a_certificate_over_tls(tmp_path, files, until):
    shown = f"Bearer {locked.TOKEN}"
    page = locked.LockedPage(PAGE.read_bytes(), expects=shown, files=files, asks_certificate=True)
    options = Options(
        socket=tmp_path / "s.sock", metrics="127.0.0.1:0", api="127.0.0.1:0", state=tmp_path / "state",
        thresholds=None, otlp=None, replay=None, gpu_pages=(page.url,),
        gpu_access=PageOptions(
            token_file=files / "token", ca_file=files / "ca.pem", server_name=locked.NAME,
            cert_file=files / "client.pem", key_file=files / "client.key",
        ),
    )  # fmt: skip
    sidecar = Sidecar(settings_of(options, {}))
    thread = threading.Thread(target=sidecar.run)
    thread.start()
    try:
        until(lambda: watts(sidecar))
    finally:
        sidecar.stop()
        thread.join(20)
        page.close()

    assert set(page.shown) == {shown}


@pytest.mark.parametrize(
    ("options", "pages", "said"),
    [
        (PageOptions(token_file=Path("t")), (), "--gpu-page-… says how a page is asked for: --gpu-page is missing"),
        (PageOptions(ca_file=Path("c")), ("http://gpu:9400",), "-key-file are for pages over https"),
        (PageOptions(username="me"), ("http://gpu:9400",), "--gpu-page-username and --gpu-page-password-file belong"),
        (
            PageOptions(token_file=Path("t"), username="me", password_file=Path("p")),
            ("http://gpu:9400",),
            "--gpu-page-token-file and --gpu-page-username: a page asks for one of the two",
        ),
        (PageOptions(key_file=Path("k")), ("https://gpu:9400",), "--gpu-page-key-file is of no use without"),
    ],
    ids=["no page", "no TLS", "no password", "both", "no certificate"],
)
def test_what_contradicts_itself_is_refused_by_the_names_of_its_options(options, pages, said):
    with pytest.raises(RefusedError, match=said):
        of_gpu_pages(options, [PageUrl.parse(page) for page in pages])


def test_what_is_not_said_is_not_asked_for():
    assert of_gpu_pages(PageOptions(), [PageUrl.parse("http://gpu:9400")]) is None
    assert of_gpu_pages(PageOptions(username="me", password_file=Path("p")), [PageUrl.parse("http://gpu:9400")]) == (
        PageAccess(username="me", password_file="p")
    )
