"""The listening side: frames come in, what is not ours is refused with a reason, nothing takes it down."""

import json
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inferometer.errors import RefusedError
from inferometer.intake.listeners import listen_tcp, listen_unix
from inferometer.intake.server import Server
from inferometer.wire.frame import MAX_FRAME_BYTES, Frame, Names, encode
from inferometer.wire.layout import REQUESTS, Section
from inferometer.wire.message import Hello, Reader, Type, acked, pack

BOOT = "this-boot"


def hello(worker: bytes = b"w" * 16, *, boot: str = BOOT, names: Names | None = None) -> bytes:
    made = Hello(
        worker_id=worker, pid=1, service="svc", sdk_version="0", boot_id=boot, host="h", start_ns=1,
        names=names or Names(),
    )  # fmt: skip
    return pack(Type.HELLO, made.to_bytes())


def frame(sequence: int = 1, worker: bytes = b"w" * 16, **more: object) -> bytes:
    made = Frame(worker_id=worker, sequence=sequence, monotonic_ns=1, wall_ns=2, **more)
    return pack(Type.FRAME, encode(made))


class Peer:
    """The other end of a connection."""

    def __init__(self, server: Server, address: str | tuple[str, int]) -> None:
        self._server = server
        self.sock = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        self.sock.connect(address)
        self.sock.settimeout(0.05)
        self._reader = Reader()

    def say(self, data: bytes) -> list[tuple[int, bytes]]:
        """Send, let the server work, and return the messages that came back."""
        self.sock.sendall(data)
        return self.hear()

    def hear(self) -> list[tuple[int, bytes]]:
        heard = []
        for _ in range(4):
            self._server.poll(0.02)
        try:
            while data := self.sock.recv(65536):
                heard += self._reader.feed(data)
        except (TimeoutError, ConnectionResetError):
            pass
        return heard

    def refused(self, data: bytes) -> str:
        """The reason with which the server ends the connection."""
        ((kind, payload),) = self.say(data)
        assert kind == Type.REFUSE
        return str(json.loads(payload)["reason"])


@pytest.fixture
def server(tmp_path) -> Iterator[Server]:
    made = Server([listen_unix(tmp_path / "s"), listen_tcp("127.0.0.1", 0)], boot_id=BOOT)
    yield made
    made.close()


@pytest.fixture
def peer(server, tmp_path) -> Iterator[Peer]:
    made = Peer(server, str(tmp_path / "s"))
    yield made
    made.sock.close()


def test_frames_come_with_their_worker_and_all_names_so_far(server, peer):
    shape = ("svc", *[""] * 7)
    peer.say(hello(names=Names({1: shape}, {})))
    peer.say(frame(1, names=Names({}, {5: "cpu"})) + frame(2))

    first, second = server.take()

    assert (first.frame.sequence, second.frame.sequence) == (1, 2)
    assert first.worker.service == "svc"
    assert second.names == Names({1: shape}, {5: "cpu"})
    assert server.take() == []


def test_tcp_is_as_good_as_a_unix_socket(server):
    address = server._listeners[1].sock.getsockname()
    peer = Peer(server, address)
    peer.say(hello() + frame())

    assert len(server.take()) == 1
    peer.sock.close()


def test_an_acknowledgement_reaches_its_worker_only(server, peer, tmp_path):
    other = Peer(server, str(tmp_path / "s"))
    peer.say(hello())
    other.say(hello(b"o" * 16))

    server.acknowledge(b"o" * 16, 77)

    ((kind, payload),) = other.hear()
    assert (kind, acked(payload)) == (Type.ACK, 77)
    assert peer.hear() == []
    other.sock.close()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET /metrics HTTP/1.1\r\n\r\n", "a message begins with"),
        (frame(), "a frame came before HELLO"),
        (hello(boot="another"), "runs on another kernel"),
        (hello() + frame(worker=b"o" * 16), "of another worker than its connection"),
        (hello() + pack(Type.FRAME, b"short"), "shorter than its header"),
        (pack(Type.HELLO, b"{}"), "HELLO is not as a worker writes it"),
        (struct.pack("<4sHHI", b"IFMR", Type.FRAME, 1, MAX_FRAME_BYTES + 1), "at most"),
    ],
    ids=["http", "no hello", "boot", "worker", "short", "hello", "oversize"],
)
def test_what_is_not_ours_is_refused_with_its_reason(server, peer, data, reason):
    assert reason in peer.refused(data)
    assert peer.sock.recv(1) == b""
    assert server.refused == 1


def test_a_worker_that_gives_out_names_without_end_is_refused(server, peer, monkeypatch):
    monkeypatch.setattr("inferometer.intake.introductions.MAX_NAMES", 10)
    peer.say(hello(names=Names({}, dict.fromkeys(range(6), "x"))))

    assert "more than 10 names" in peer.refused(frame(names=Names({}, dict.fromkeys(range(6, 11), "x"))))


def test_an_unknown_message_type_is_passed_over(server, peer):
    assert peer.say(hello() + pack(99, b"from the future") + frame()) == []  # type: ignore[arg-type]  # none of ours
    assert len(server.take()) == 1


def test_a_connection_that_never_says_who_it_is_is_closed(tmp_path):
    now = [0.0]
    server = Server([listen_unix(tmp_path / "s")], boot_id=BOOT, monotonic=lambda: now[0])
    peer = Peer(server, str(tmp_path / "s"))
    server.poll(0.02)
    now[0] = 11.0

    assert "no HELLO within 10 s" in peer.refused(b"")
    peer.sock.close()
    server.close()


def test_where_too_much_waits_nothing_more_is_read_until_it_was_taken(tmp_path):
    server = Server([listen_unix(tmp_path / "s")], boot_id=BOOT, max_waiting_bytes=1000)
    peer = Peer(server, str(tmp_path / "s"))
    big = frame(1, tables={Section.REQUESTS: bytes(REQUESTS.size * 10)})
    peer.say(hello() + big)
    peer.say(frame(2))

    assert [a.frame.sequence for a in server.take()] == [1]
    peer.hear()
    assert [a.frame.sequence for a in server.take()] == [2]
    peer.sock.close()
    server.close()


@settings(
    max_examples=min(40, settings.default.max_examples),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.binary(max_size=400), st.booleans())
def test_no_bytes_end_the_server(server, tmp_path, data, greeted):
    peer = Peer(server, str(tmp_path / "s"))
    peer.sock.sendall((hello() if greeted else b"") + data)
    peer.sock.shutdown(socket.SHUT_WR)
    for _ in range(3):
        server.poll(0)
    peer.sock.close()

    well = Peer(server, str(tmp_path / "s"))
    server.take()
    well.say(hello() + frame())
    assert len(server.take()) == 1
    well.sock.close()
    server.poll(0)


def test_waking_ends_a_wait(server):
    threading.Timer(0.05, server.wake).start()

    server.poll(10)


def test_a_second_listener_on_one_socket_is_refused(tmp_path):
    first = listen_unix(tmp_path / "s")
    with pytest.raises(RefusedError, match="another intake listens on"):
        listen_unix(tmp_path / "s")
    first.close()

    listen_unix(tmp_path / "s").close()


def test_the_file_of_a_dead_listener_is_replaced(tmp_path):
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "s"))
    dead.close()

    listener = listen_unix(tmp_path / "s")

    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600
    listener.close()
    assert not (tmp_path / "s").exists()


def test_another_program_s_socket_and_another_file_are_left_alone(tmp_path):
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "s"))
        other.listen()
        with pytest.raises(RefusedError, match="another program listens on"):
            listen_unix(tmp_path / "s")
    (tmp_path / "file").write_text("precious")
    with pytest.raises(RefusedError, match="is there and is no socket"):
        listen_unix(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "precious"


def test_a_path_that_is_too_long_and_a_taken_port_are_refused_by_name(tmp_path):
    with pytest.raises(RefusedError, match="cannot listen on"):
        listen_unix(Path(tmp_path / ("x" * 200)))
    first = listen_tcp("127.0.0.1", 0)
    port = first.sock.getsockname()[1]
    with pytest.raises(RefusedError, match=f"cannot listen on 127.0.0.1:{port}"):
        listen_tcp("127.0.0.1", port)
    first.close()
