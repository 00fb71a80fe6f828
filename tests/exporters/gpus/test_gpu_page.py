"""A sidecar that reads pages: good ones are shown, bad ones are counted, and none holds it up."""

import http.server
import re
import socket
import threading
import urllib.request
from pathlib import Path

import pytest

from inferometer.catalog import gpus, hosts, telemetry
from inferometer.errors import SourceError
from inferometer_exporters.gpus.page import SOURCE_NAME, GpuPage
from inferometer_exporters.pages.fetch import PageUrl
from inferometer_exporters.ports import Address
from inferometer_exporters.sidecar import Sidecar
from inferometer_exporters.sidecar_settings import SidecarSettings

DATA = Path(__file__).parents[2] / "data" / "gpus"
T4 = "GPU-20c56d28-0da5-6d26-a36a-e7af1ce2586e"


class Exporter:
    """A real HTTP server with one page."""

    def __init__(self, page):
        self.page = page
        exporter = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(exporter.page)))
                self.end_headers()
                self.wfile.write(exporter.page)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = PageUrl.parse(f"http://127.0.0.1:{self._server.server_port}")

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


@pytest.fixture
def exporter():
    made = []

    def make(page):
        made.append(Exporter(page))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def silent():
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield PageUrl.parse(f"http://127.0.0.1:{listener.getsockname()[1]}")


def value(page, entry, *labels):
    inside = ",".join(f'{name}="{text}"' for name, text in zip(entry.label_names, labels, strict=True))
    found = re.search(rf"^{re.escape(f'{entry.name}{{{inside}}}')} (\S+)", page, re.MULTILINE)
    return float(found[1]) if found else None


def test_good_pages_are_shown_bad_ones_are_counted_and_the_end_waits_for_none(tmp_path, exporter, silent, until):
    good = exporter((DATA / "dcgm-exporter-2023-08.prom").read_bytes())
    garbage = exporter(b"<html>not here</html>\n")
    settings = SidecarSettings(
        socket=tmp_path / "s.sock",
        state=tmp_path / "state",
        metrics=Address("127.0.0.1", 0),
        api=Address("127.0.0.1", 0),
        host="box",
        gpu_pages=(good.url, garbage.url, silent),
    )
    sidecar = Sidecar(settings)
    thread = threading.Thread(target=sidecar.run)
    thread.start()

    def page():
        with urllib.request.urlopen(f"http://127.0.0.1:{sidecar.page.port}/metrics", timeout=5) as answer:
            return answer.read().decode()

    def failures():
        return value(page(), telemetry.SOURCE_ERRORS, SOURCE_NAME) or 0.0

    try:
        until(lambda: value(page(), gpus.GPU_POWER, T4) == 8.969)
        until(lambda: value(page(), hosts.HOST_MEMORY_TOTAL, "box"))
        # One is garbage at once, the other one takes two seconds each time to be silent.
        until(lambda: failures() >= 3, seconds=30)
        assert value(page(), gpus.GPU_POWER, T4) == 8.969
        good.page = good.page.replace(b" 8.969000", b" 70.500000")
        until(lambda: value(page(), gpus.GPU_POWER, T4) == 70.5)
    finally:
        sidecar.stop()
        thread.join(20)

    assert not thread.is_alive()


def test_a_page_that_was_read_before_is_not_read_again_but_its_totals_go_on():
    page = (DATA / "nvidia_gpu_exporter-h100-load.prom").read_bytes()
    now = [0.0]
    source = GpuPage(PageUrl.parse("http://127.0.0.1"), get=lambda _: bytes(page), monotonic=lambda: now[0])
    source._read = counted = Counted(source._read)
    energy = []
    for now[0] in (0.0, 1.0, 2.0):
        energy += [reading.value for reading in source.read() if reading.entry is gpus.GPU_ENERGY]

    assert counted.calls == 1
    assert energy == [0, 631_950_000, 1_263_900_000]


class Counted:
    def __init__(self, function):
        self.function = function
        self.calls = 0

    def __call__(self, page):
        self.calls += 1
        return self.function(page)


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (b"# nothing\n", "no GPU on the page, neither DCGM_… nor nvidia_smi_…"),
        (b"node_load1 0.5\n", "no GPU on the page"),
        (b"DCGM_FI_DEV_GPU_TEMP 30\n", "no GPU on the page"),
        (b"DCGM_FI_DEV_GPU_TEMP{", "no end"),
    ],
)
def test_a_page_without_gpus_is_an_error_that_names_it(page, message):
    url = PageUrl.parse("http://127.0.0.1:9400")
    with pytest.raises(SourceError, match=message) as caught:
        list(GpuPage(url, get=lambda _: page).read())

    assert str(caught.value).startswith("http://127.0.0.1:9400/metrics: ")


def test_a_bad_page_changes_nothing_that_was_counted():
    good = (DATA / "nvidia_gpu_exporter-h100-load.prom").read_bytes()
    pages = [good, good, b"broken", good]
    now = [0.0]
    source = GpuPage(PageUrl.parse("http://127.0.0.1"), get=lambda _: pages.pop(0), monotonic=lambda: now[0])
    energy = []
    for now[0] in (0.0, 1.0, 2.0, 3.0):
        try:
            energy += [reading.value for reading in source.read() if reading.entry is gpus.GPU_ENERGY]
        except SourceError:
            energy.append(None)

    assert energy == [0, 631_950_000, None, 3 * 631_950_000]
