"""Garbage, cut messages, huge ones and gzip bombs on every port and the socket, while a worker sends its frames."""

import contextlib
import gzip
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from sidecar_under_test import Scraper, Sidecar
from trial import Row, main
from wire_worker import NAMES, Worker

from inferometer.catalog import telemetry
from inferometer.intake.passes import boot_id
from inferometer.wire.message import Hello, Type, pack

SECONDS = 12


@cache
def bomb() -> bytes:
    """A quarter of a megabyte that becomes 256; packing it takes a second, which no other test is to wait for."""
    return gzip.compress(bytes(256 << 20))


def hello(chance: random.Random) -> bytes:
    worker = Hello(
        worker_id=chance.randbytes(16), pid=1, service="svc", sdk_version="0", boot_id=boot_id(), host="box",
        start_ns=0, names=NAMES,
    )  # fmt: skip
    return pack(Type.HELLO, worker.to_bytes())


def post(path: str, body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def frames(chance: random.Random) -> Iterator[bytes]:
    """What a socket for frames gets."""
    greeting = hello(chance)
    yield chance.randbytes(chance.randrange(1, 5_000))
    yield greeting[: chance.randrange(len(greeting))]
    yield struct.pack("<4sHHI", b"IFMR", 2, 1, 0xFFFFFFFF) + bytes(100_000)
    yield greeting + pack(Type.FRAME, chance.randbytes(chance.randrange(2_000)))
    broken = bytearray(greeting)
    broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
    yield bytes(broken)
    yield pack(Type.HELLO, b'{"a":' * 20_000)
    yield b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


def web(chance: random.Random) -> Iterator[bytes]:
    """What an HTTP port gets; each path on each of them."""
    path = chance.choice(
        ["/v1/traces", "/metrics", "/api/requests?n=" + "9" * 5_000, "/api/trace/%00", "/" + "a" * 90_000]
    )
    protobuf, packed = "Content-Type: application/x-protobuf", "Content-Encoding: gzip"
    yield chance.randbytes(chance.randrange(1, 5_000))
    yield post(path, bomb(), protobuf, packed)
    yield post(path, gzip.compress(chance.randbytes(1_000))[:-20], protobuf, packed)
    yield post(path, chance.randbytes(2_000), protobuf)
    yield post(path, b'{"resourceSpans":' + b"[" * 100_000, "Content-Type: application/json")
    yield post(path, b"x", protobuf, length=1 << 40)
    yield post(path, bytes(300_000), protobuf, length=200_000_000)
    yield b"GET " + path.encode() + b" HTTP/1.1\r\n" + b"X-Header: " + b"y" * 200_000
    yield b"".join([b"GET / HTTP/1.1\r\n", *(b"X-%d: y\r\n" % n for n in range(20_000)), b"\r\n"])


def http2(chance: random.Random) -> Iterator[bytes]:
    """What the port of gRPC gets."""
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    yield chance.randbytes(chance.randrange(1, 5_000))
    yield preface + chance.randbytes(3_000)
    yield preface + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + bytes(50_000)
    yield preface[: chance.randrange(len(preface))]
    yield from web(chance)


Attack = tuple[str, Callable[[], socket.socket], Callable[[random.Random], Iterator[bytes]]]


def unix(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(path))
    return client


def attacks(folder: Path, doors: dict[str, str]) -> Iterator[Attack]:
    yield "socket", lambda: unix(folder / "sidecar.sock"), frames
    for name, sent in (("frames", frames), ("otlp-grpc", http2), ("otlp-http", web), ("metrics", web), ("api", web)):
        address = doors[name].rpartition("://")[2].partition("/")[0]
        host, _, port = address.rpartition(":")
        yield name, lambda at=(host, int(port)): socket.create_connection(at, timeout=2), sent


def throw(connect: Callable[[], socket.socket], data: bytes, *, listen: bool) -> None:
    """Send it, and either wait for what is said or leave at once."""
    with contextlib.suppress(OSError), connect() as client:
        client.settimeout(0.3)
        with contextlib.suppress(OSError):
            client.sendall(data)
        if listen:
            client.recv(1_000)


def trial(folder: Path, *, seed: int = 7) -> Row:
    sidecar = Sidecar(folder, "--receive")
    sidecar.start()
    worker, scraper = Worker(folder / "sidecar.sock"), Scraper(sidecar)
    for each in (worker, scraper):
        each.thread.start()
    time.sleep(1)
    before = sidecar.resident_bytes()
    thrown: dict[str, int] = {}
    stop = time.monotonic() + SECONDS

    def attack(
        name: str, connect: Callable[[], socket.socket], make: Callable[[random.Random], Iterator[bytes]]
    ) -> None:
        chance = random.Random(f"{seed} {name}")
        while time.monotonic() < stop:
            for data in make(chance):
                throw(connect, data, listen=chance.random() < 0.5)
                thrown[name] = thrown.get(name, 0) + 1

    threads = [threading.Thread(target=attack, args=each) for each in attacks(folder, sidecar.doors)]
    for thread in threads:
        thread.start()
    peak, most = before, 0
    while any(thread.is_alive() for thread in threads):
        peak, most = max(peak, sidecar.resident_bytes()), max(most, worker.waiting)
        time.sleep(0.1)
    alive = sidecar.process.poll() is None
    worker.finish()
    deadline = time.monotonic() + 20
    while scraper.total(telemetry.RECORDS.name) < len(worker.spans) and time.monotonic() < deadline:
        time.sleep(0.1)
    scrapes = scraper.scrapes
    scraper.finish()
    status = sidecar.terminate()
    return Row(
        fault="garbage on every port",
        done=f"noise, cut, broken and huge messages and gzip bombs, on {len(threads)} doors, {SECONDS} s, seed {seed}",
        holds={
            "it lives, and ends well": alive and status == 0,
            "a worker's records are all counted, and nobody else's": scraper.total(telemetry.RECORDS.name)
            == len(worker.spans),
            "no counter fell": not scraper.fallen,
            "the page is read meanwhile": scrapes > SECONDS,
            "frames are acknowledged meanwhile": most * worker.period < 5,
            "memory grew by less than 200 MiB": peak - before < 200 << 20,
            "no traceback in its log": "Traceback" not in sidecar.log,
        },
        seen=f"thrown: {thrown}; + {(peak - before) >> 20} MiB at most; {scrapes} scrapes",
    )


@pytest.mark.slow
def test_garbage_on_every_port_hurts_nobody(tmp_path):
    row = trial(tmp_path)

    assert row.passed, "\n".join(row.lines())


if __name__ == "__main__":
    main(trial)
