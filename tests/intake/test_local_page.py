"""/metrics of an elected worker: as soon as its address is free, and written down where others look."""

import json
import socket
import time
from urllib.request import urlopen

import pytest

from inferometer.aggregate import Exposition, Snapshot
from inferometer.intake.local_page import DEFAULT_METRICS, LocalPage, _host_port


@pytest.fixture
def page(tmp_path):
    made = []

    def make(address):
        made.append(
            LocalPage(
                Exposition(Snapshot), healthy=lambda: True, address=address, where=tmp_path / "w.json",
                retry_seconds=0.02,
            )
        )  # fmt: skip
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.close()


def told(tmp_path):
    return json.loads((tmp_path / "w.json").read_text())["metrics_port"]


def test_a_free_address_is_served_at_once(page, tmp_path):
    served = page("127.0.0.1:0")

    assert urlopen(f"http://127.0.0.1:{served.port}/metrics", timeout=5).status == 200
    assert told(tmp_path) == served.port
    served.close()
    assert not (tmp_path / "w.json").exists()


def test_an_address_that_is_taken_is_served_when_it_is_free(page, tmp_path, caplog):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        served = page(f"127.0.0.1:{port}")

        assert (served.port, told(tmp_path)) == (None, None)
        assert f"cannot serve /metrics on 127.0.0.1:{port}" in caplog.text
    deadline = time.monotonic() + 10
    while served.port is None or told(tmp_path) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)

    assert urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).status == 200
    assert (served.port, told(tmp_path)) == (port, port)
    assert f"/metrics is served on 127.0.0.1:{port} now" in caplog.text


def test_waiting_ends_with_the_server(page):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        waiting = page(f"127.0.0.1:{taken.getsockname()[1]}")
        begun = time.monotonic()
        waiting.close()

    assert time.monotonic() - begun < 1


@pytest.mark.parametrize("address", ["9464x", "host:", "127.0.0.1:99999", "127.0.0.1:-1", "nothing"])
def test_what_is_no_address_is_said_and_the_default_is_used(address, caplog):
    host, port = _host_port(address)

    assert f"{host}:{port}" == DEFAULT_METRICS
    assert "host:port is right" in caplog.text
