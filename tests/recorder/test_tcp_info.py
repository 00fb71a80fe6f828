"""What the kernel says of a socket: never more waiting than there was, and how many connections nobody accepted."""

import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.recorder.listening import Listening
from inferometer.recorder.tcp_info import JIFFY_NS, accept_queue, waited_ns


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0), backlog=16) as sock:
        yield sock


@pytest.fixture
def ends(listener):
    with socket.create_connection(listener.getsockname()) as client, listener.accept()[0] as server:
        yield client, server


def test_bytes_that_lie_in_the_kernel_have_waited(ends):
    client, server = ends
    before = time.monotonic_ns()
    client.sendall(b"x")
    sent = time.monotonic_ns()
    time.sleep(0.1)
    asked = time.monotonic_ns()
    waited = waited_ns(server)
    longest = time.monotonic_ns() - before

    assert asked - sent - 2 * JIFFY_NS <= waited <= longest


def test_the_wait_is_never_longer_than_it_was(ends):
    client, server = ends
    for step in range(200):
        server.sendall(b"answer")
        before = time.monotonic_ns()
        client.sendall(b"x")
        time.sleep(step % 20 / 1000)

        assert waited_ns(server) <= time.monotonic_ns() - before


def said_right_after(act, server):
    """What is said of *server* right after *act*; both are done again where something else ran between the two."""
    while True:
        begun = time.monotonic_ns()
        act()
        waited = waited_ns(server)
        if time.monotonic_ns() - begun < JIFFY_NS:
            return waited


def test_bytes_just_come_say_nothing(ends):
    client, server = ends

    assert said_right_after(lambda: client.sendall(b"x"), server) == 0


def test_what_came_during_an_earlier_answer_waits_only_since_then(ends):
    client, server = ends
    client.sendall(b"first and second")
    time.sleep(0.1)

    assert said_right_after(lambda: server.sendall(b"answer to the first"), server) == 0


def test_a_unix_socket_cannot_tell():
    one, other = socket.socketpair()
    with one, other, pytest.raises(OSError, match=r"not (supported|available)"):
        waited_ns(one)


class Filled:
    """A kernel that fills the structure with anything."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def getsockopt(self, _level: int, _option: int, size: int, /) -> bytes:
        """Its content."""
        return self.content[:size]


@given(st.binary(min_size=104, max_size=104))
def test_whatever_a_kernel_says_is_no_wait_of_hours(content):
    assert 0 <= waited_ns(Filled(content)) <= 600 * 10**9


def test_connections_that_nobody_accepted_are_counted(listener):
    descriptor = listener.fileno()
    clients = [socket.create_connection(listener.getsockname()) for _ in range(5)]
    counted = accept_queue(descriptor)
    listener.accept()[0].close()

    assert (counted, accept_queue(descriptor)) == (5, 4)
    for client in clients:
        client.close()
    # It was only borrowed.
    assert listener.fileno() == descriptor


def test_what_does_not_listen_has_no_queue(ends, tmp_path):
    _, server = ends
    unix, other = socket.socketpair()
    with unix, other, (tmp_path / "file").open("wb") as file:
        descriptors = [server.fileno(), unix.fileno(), file.fileno(), 1_000_000, -1]

        assert [accept_queue(descriptor) for descriptor in descriptors] == [None] * 5


def test_a_server_that_ended_listens_no_more(listener):
    listening = Listening()
    listening.on([listener.fileno(), 1_000_000])

    assert listening.depths() == (0,)
    listening.ended()
    assert listening.depths() == ()
