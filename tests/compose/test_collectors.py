"""The container that asks the Collectors how they are."""

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from inferometer_compose.stack.collectors import addresses, main, unwell


class Answers(BaseHTTPRequestHandler):
    """As a Collector's health check: 200 while its pipelines run, else 503."""

    def do_GET(self):
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_):
        """Nothing."""


@pytest.fixture
def collector():
    """Starts a health check; its port."""
    servers = []

    def start(status=200):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        server.status = status
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return server.server_port

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_collectors_that_say_so_are_well(collector):
    assert list(unwell([f"localhost:{collector()}", f"127.0.0.1:{collector()}"])) == []


def test_one_that_is_not_ready_is_named(collector):
    well, starting = collector(), collector(503)

    (sentence,) = unwell([f"127.0.0.1:{well}", f"127.0.0.1:{starting}"])

    assert sentence.startswith(f"127.0.0.1:{starting} at 127.0.0.1: ")
    assert "503" in sentence


def test_every_replica_behind_a_name_is_asked(collector):
    port = collector()

    found = list(unwell([f"sampler:{port}"], resolve=lambda *_: ["127.0.0.1", "127.0.0.2"]))

    assert len(found) == 1, "only one of the two listens"
    assert f"sampler:{port} at 127.0.0.2: " in found[0]


def test_a_name_that_nobody_has_is_said():
    def nobody(name, _):
        raise OSError(f"{name} is unknown")

    assert list(unwell(["sampler:13133"], resolve=nobody)) == ["sampler:13133: sampler is unknown"]


def test_a_name_has_its_addresses_once_each():
    assert list(addresses("127.0.0.1", 80)) == ["127.0.0.1"]


def test_the_exit_status_says_it(collector, capsys):
    well, starting = collector(), collector(503)

    assert main([f"127.0.0.1:{well}"]) == 0
    assert main([f"127.0.0.1:{starting}"]) == 1
    assert "503" in capsys.readouterr().out


def test_it_loads_nothing_that_a_small_container_would_feel():
    heavy = "{'numpy', 'duckdb', 'rich', 'starlette'} & set(sys.modules)"
    asked = f"import sys, inferometer_compose.stack.collectors; print({heavy})"

    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout == "set()\n"
