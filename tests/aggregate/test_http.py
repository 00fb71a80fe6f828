"""The page over HTTP."""

import gzip
import socket
import time
import urllib.error
from collections.abc import Iterator
from urllib.request import Request, urlopen

import pytest

from inferometer.aggregate import Exposition, PageServer
from inferometer.errors import RefusedError

health = {"well": True}


@pytest.fixture
def server(filled) -> Iterator[PageServer]:
    health["well"] = True
    server = PageServer(Exposition(filled.snapshot), healthy=lambda: health["well"], port=0)
    server.start()
    yield server
    server.close()


def get(server: PageServer, path: str, **headers: str):
    return urlopen(Request(f"http://127.0.0.1:{server.port}{path}", headers=headers), timeout=5)


def test_the_page_is_served_compressed_and_with_its_type(server):
    with get(server, "/metrics", **{"Accept-Encoding": "gzip", "Accept": "text/plain"}) as answer:
        body = answer.read()

    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert gzip.decompress(body).startswith(b"# HELP ")


def test_health_is_200_or_503(server):
    with get(server, "/healthz") as answer:
        assert answer.read() == b"ok\n"
    health["well"] = False
    with pytest.raises(urllib.error.HTTPError, match="503"):
        get(server, "/healthz")


def test_the_resolver_is_not_asked_for_this_hosts_name(filled, monkeypatch):
    asked = []
    monkeypatch.setattr(socket, "getfqdn", asked.append)
    PageServer(Exposition(filled.snapshot), healthy=lambda: True, port=0).close()

    assert not asked


def test_another_path_is_404(server):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(server, "/")


def test_a_client_that_says_nothing_and_one_that_says_nonsense_do_not_stop_the_others(server):
    with (
        socket.create_connection(("127.0.0.1", server.port)),
        socket.create_connection(("127.0.0.1", server.port)) as odd,
    ):
        odd.sendall(b"\x16\x03\x01 not http at all\r\n\r\n")
        with get(server, "/metrics") as answer:
            assert answer.status == 200


def test_more_clients_than_there_is_room_for_are_turned_away_and_room_comes_back(server):
    clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(24)]
    try:
        turned_away = 0
        for client in clients:
            client.settimeout(0.1)
            try:
                turned_away += client.recv(1) == b""
            except (TimeoutError, ConnectionResetError) as error:
                turned_away += isinstance(error, ConnectionResetError)
        assert turned_away == 8
    finally:
        for client in clients:
            client.close()
    # The threads of those that left let go of their room one after the other.
    deadline = time.monotonic() + 10
    while (status := answered(server)) != 200:
        assert time.monotonic() < deadline, status
        time.sleep(0.01)


def answered(server):
    """Status of the page, or why there is none."""
    try:
        with get(server, "/metrics") as answer:
            return answer.status
    except OSError as error:
        return error


def test_a_taken_port_is_refused_by_name(server):
    with pytest.raises(RefusedError, match=f"cannot serve /metrics on 127.0.0.1:{server.port}"):
        PageServer(Exposition(lambda: None), healthy=lambda: True, port=server.port)
