"""The sidecar shows runbooks beside its live page, to everybody who may reach the port."""

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from inferometer_alerts import runbook_pages
from inferometer_compose import runbooks
from inferometer_compose.live import PAGES


@pytest.fixture(scope="module")
def client():
    with TestClient(Starlette(routes=runbooks.routes())) as client:
        yield client


@pytest.mark.parametrize("path", ["/runbooks/GpuLost.md", "/runbooks/GpuLost"])
def test_a_runbook_is_a_page_without_script(client, path):
    answer = client.get(path)

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.text == runbook_pages.page("GpuLost")


def test_all_are_listed(client):
    assert client.get("/runbooks").text == runbook_pages.index()


@pytest.mark.parametrize("path", ["/runbooks/No", "/runbooks/..%2Fpyproject", "/runbooks/%3Cscript%3E"])
def test_an_unknown_one_is_said_to_be_unknown_and_never_repeated(client, path):
    answer = client.get(path)

    assert answer.status_code == 404
    assert "script" not in answer.text


def test_the_sidecar_answers_them_without_a_token():
    assert PAGES.is_open("/runbooks/GpuLost.md")
    assert not PAGES.is_open("/api/summary")
    assert not PAGES.is_open("/runbooksX")
