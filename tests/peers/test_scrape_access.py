"""Pages that ask who reads them, in a real Prometheus with the configuration that is generated: engines' and ours."""

import base64
import json
from pathlib import Path
from types import SimpleNamespace

import locked_pages as locked
import prometheus_server
import pytest

from inferometer.access import Access, Certificates, Token
from inferometer.aggregate import Exposition, PageServer, Snapshot
from inferometer.catalog import engines, requests
from inferometer.fleet.loader import loads
from inferometer_alerts.generation import files

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[2]


PAGE = (ROOT / "tests/data/engines/vllm/vllm-0.9.2-cpu-scrape2.prom").read_bytes()
BASIC = "Basic " + base64.b64encode(f"{locked.USER}:{locked.PASSWORD}".encode()).decode()
FLEET = """
version: 1
fleet: locked
sidecar: {{token_file: {files}/token, {tls}}}
objectives: {{available: {{sli: availability, target: 99, window: 30d}}}}
receivers: {{oncall: {{webhook: {{url: "http://127.0.0.1:9099/alerts"}}}}}}
routes: {{page: oncall, ticket: oncall}}
services:
"""
SERVICE = """
  {name}:
    engine: vllm
    version: "0.9.2"
    scraped_by: prometheus
    pages: ["{url}"]
    access: {{{access}}}
    models: {{m: {{objectives: [available]}}}}
"""


@pytest.fixture(scope="module")
def scraped(tmp_path_factory):
    """Prometheus over engines that ask for a token, a user, a certificate, for what we lack, and over a sidecar."""
    folder = tmp_path_factory.mktemp("locked")
    made = locked.certificates(folder)
    tls = f"ca_file: {made}/ca.pem, server_name: {locked.NAME}"
    shown = {
        "token": (f"token_file: {made}/token, {tls}", {"expects": f"Bearer {locked.TOKEN}", "files": made}),
        "user": (f"username: {locked.USER}, password_file: {made}/password", {"expects": BASIC}),
        "certificate": (f"cert_file: {made}/client.both, {tls}", {"files": made, "asks_certificate": True}),
        "stranger": (f"token_file: {made}/token", {"expects": "Bearer another"}),
    }
    pages = {name: locked.LockedPage(PAGE, **settings) for name, (_, settings) in shown.items()}
    certificates = Certificates(certificate=made / "server.pem", key=made / "server.key")
    access = Access(token=Token.read(made / "token"), certificates=certificates)
    ours = PageServer(Exposition(Snapshot), healthy=lambda: True, port=0, access=access)
    ours.start()
    fleet = loads(
        FLEET.format(files=made, tls=tls)
        + "".join(SERVICE.format(name=name, url=page.url, access=shown[name][0]) for name, page in pages.items())
    )
    for name, content in (written := files(fleet, time_scale=15)).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "prometheus/targets/inferometer.json").write_text(json.dumps([{"targets": [f"127.0.0.1:{ours.port}"]}]))
    prometheus = prometheus_server.Prometheus(folder / "prometheus", written["prometheus/prometheus.yml"].decode())
    yield SimpleNamespace(prometheus=prometheus, pages=pages, folder=folder, written=written)
    prometheus.close()
    ours.close()
    for page in pages.values():
        page.close()


def up(scraped, matcher: str) -> float | None:
    return prometheus_server.eventually(lambda: scraped.prometheus.value(f"up{{{matcher}}} == 1"), 40)


@pytest.mark.parametrize("service", ["token", "user", "certificate"])
def test_a_page_that_asks_is_read_by_prometheus_and_recorded_as_ours(scraped, service):
    assert up(scraped, f'service="{service}"') == 1
    query = f'sum({requests.TOKENS.name}{{service="{service}"}})'
    assert prometheus_server.eventually(lambda: scraped.prometheus.value(query), 40) > 0


def test_the_sidecars_own_page_is_read_with_its_token_over_tls(scraped):
    assert up(scraped, 'job="inferometer"') == 1


def test_a_page_that_asks_for_something_else_is_down_and_says_so_in_our_series(scraped):
    query = f'{engines.UP.name}{{service="stranger"}} == bool 0'

    assert prometheus_server.eventually(lambda: scraped.prometheus.value(query), 40) == 1
    assert set(scraped.pages["stranger"].shown) == {f"Bearer {locked.TOKEN}"}


def test_no_secret_is_in_any_generated_file(scraped):
    for name, content in scraped.written.items():
        assert locked.TOKEN.encode() not in content, name
        assert locked.PASSWORD.encode() not in content, name
