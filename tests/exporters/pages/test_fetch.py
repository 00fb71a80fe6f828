"""Fetching a page from real servers on loopback: slow, huge, cut short, packed, garbage."""

import gzip
import socket
import threading
import time
import zlib
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.errors import RefusedError, SourceError
from inferometer_exporters.pages.fetch import PageUrl, fetch

PAGE = b"# TYPE gpu_power gauge\ngpu_power 300\n"
MIB = 1 << 20


@contextmanager
def serving(answer):
    """A server for one connection at a time; *answer* gets the socket once the request was read."""
    listener = socket.create_server(("127.0.0.1", 0))
    heard = []

    def run():
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with sock:
                try:
                    heard.append(sock.recv(65536))
                    answer(sock)
                except OSError:
                    pass

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield PageUrl.parse(f"http://127.0.0.1:{listener.getsockname()[1]}/metrics"), heard
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def whole(body, *headers, status="200 OK"):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def test_a_page_is_asked_for_as_text_and_comes_whole():
    with serving(lambda sock: sock.sendall(whole(PAGE))) as (url, heard):
        assert fetch(url) == PAGE

    head = heard[0].decode()
    assert head.startswith("GET /metrics HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{url.port}\r\n" in head
    assert "Connection: close\r\n" in head


@pytest.mark.parametrize(
    "answer",
    [
        whole(gzip.compress(PAGE, mtime=0), "Content-Encoding: gzip"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n# TYP\r\n%x\r\n%b\r\n0\r\n\r\n"
        % (len(PAGE) - 5, PAGE[5:]),
        b"HTTP/1.0 200 OK\r\n\r\n" + PAGE,
    ],
    ids=["gzip", "chunked", "until the end"],
)
def test_a_page_comes_in_every_form_of_http(answer):
    with serving(lambda sock: sock.sendall(answer)) as (url, _):
        assert fetch(url) == PAGE


@pytest.mark.parametrize(
    "answer",
    [
        whole(PAGE),
        whole(PAGE).replace(b"Content-Length: ", b"content-length:"),
        whole(gzip.compress(PAGE, mtime=0), "Content-Encoding: gzip"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(PAGE), PAGE),
    ],
    ids=["with its length", "in small letters", "gzip", "chunked"],
)
def test_a_server_that_keeps_the_connection_open_is_not_waited_for(answer):
    stop = threading.Event()

    def keep(sock):
        # In pieces: the end of the answer is not the end of what is received first.
        sock.sendall(answer[:10])
        sock.sendall(answer[10:-3])
        time.sleep(0.01)
        sock.sendall(answer[-3:])
        stop.wait(20)

    with serving(keep) as (url, _):
        try:
            assert fetch(url, seconds=10) == PAGE
        finally:
            stop.set()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (whole(PAGE)[:-1], "no whole answer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n# TYPE", "no whole answer"),
        (b"", "no whole answer"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "no whole answer"),
        (bytes(range(256)) * 40, "no whole answer"),
        (whole(b"no", status="404 Not Found"), "answers 404 Not Found"),
        (whole(b"", "Location: http://127.0.0.1/", status="301 Moved"), "answers 301"),
        (whole(PAGE, "Content-Encoding: br"), "encoded as 'br', gzip is right"),
        (whole(PAGE, "Content-Encoding: gzip"), "cannot be unpacked"),
        (whole(gzip.compress(PAGE, mtime=0)[:-9], "Content-Encoding: gzip"), "cut short"),
        (whole(gzip.compress(PAGE, mtime=0) * 2, "Content-Encoding: gzip"), "or more follows"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "no whole answer"),
    ],
    ids=str,
)
def test_what_is_no_whole_page_is_said(answer, message):
    with serving(lambda sock: sock.sendall(answer)) as (url, _), pytest.raises(SourceError, match=message):
        fetch(url)


def test_a_page_larger_than_the_limit_is_not_read_to_its_end():
    sent = []

    def endless(sock):
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            sent.append(sock.send(b"x" * 65536))

    with serving(endless) as (url, _), pytest.raises(SourceError, match=f"larger than {MIB} bytes"):
        fetch(url, limit=MIB, seconds=20)

    # What waits in the kernel's buffers was sent, too.
    assert sum(sent) < 20 * MIB


def test_a_bomb_is_unpacked_no_further_than_the_limit(monkeypatch):
    bomb = gzip.compress(bytes(64 * MIB))
    unpacked = []
    real = zlib.decompressobj

    class Watched:
        def __init__(self, bits):
            self._real = real(bits)

        def decompress(self, data, limit):
            unpacked.append(len(found := self._real.decompress(data, limit)))
            return found

    monkeypatch.setattr(zlib, "decompressobj", Watched)
    answer = whole(bomb, "Content-Encoding: gzip")
    with serving(lambda sock: sock.sendall(answer)) as (url, _), pytest.raises(SourceError, match="larger than"):
        fetch(url, limit=MIB)

    assert unpacked == [MIB + 1]


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_server_that_sends_a_byte_now_and_then_does_not_get_more_than_the_time(part):
    stop = threading.Event()

    def drip(sock):
        sock.sendall(b"HTTP/1.1 200 OK\r\n" + (b"\r\n" if part == "body" else b"X-Slow: "))
        while not stop.wait(0.02):
            sock.sendall(b"x")

    began = time.monotonic()
    with serving(drip) as (url, _):
        with pytest.raises(SourceError, match=r"no whole page within 0\.3 s"):
            fetch(url, seconds=0.3)
        stop.set()

    # It would never have ended; the machine may be busy.
    assert time.monotonic() - began < 10


def test_a_server_that_says_nothing_does_not_get_more_than_the_time():
    stop = threading.Event()
    with serving(lambda _: stop.wait(20)) as (url, _):
        with pytest.raises(SourceError, match="no whole page within"):
            fetch(url, seconds=0.2)
        stop.set()


def test_time_that_passed_before_the_next_byte_counts():
    now = iter([0.0, 0.1, 0.2, 9.0])
    with serving(lambda sock: sock.sendall(whole(PAGE))) as (url, _), pytest.raises(SourceError, match="within 2 s"):
        fetch(url, monotonic=lambda: next(now))


def test_nobody_there_is_said():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = PageUrl.parse(f"http://127.0.0.1:{listener.getsockname()[1]}")
    with pytest.raises(SourceError, match=r"http://127\.0\.0\.1:\d+/metrics: Connection refused"):
        fetch(url)


def test_a_server_without_tls_is_no_https_server():
    with serving(lambda sock: sock.sendall(whole(PAGE))) as (url, _), pytest.raises(SourceError):
        fetch(PageUrl.parse(str(url).replace("http:", "https:")))


@given(st.binary(max_size=600), st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]))
def test_whatever_comes_it_is_a_page_or_a_source_error(data, head):
    with serving(lambda sock: sock.sendall(head + data)) as (url, _), suppress(SourceError):
        assert fetch(url, limit=1000) in data


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://node:9400", "http://node:9400/metrics"),
        ("http://node:9400/", "http://node:9400/"),
        ("http://node/federate?match[]=x", "http://node:80/federate?match[]=x"),
        ("https://[::1]:9400/metrics", "https://[::1]:9400/metrics"),
    ],
)
def test_a_url_is_read_as_it_is_written(text, url):
    assert str(PageUrl.parse(text)) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "node:9400",
        "ftp://node/",
        "http://",
        "http://user:secret@node/",
        "http://node:port/",
        "http://a/b c",
        "http://a/\r\nX: y",
    ],
)
def test_what_is_no_url_of_a_page_is_refused(text):
    with pytest.raises(RefusedError, match="no URL of a page"):
        PageUrl.parse(text)
