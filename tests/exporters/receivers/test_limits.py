"""Every port of a real sidecar process under garbage, floods and clients that dawdle: it stays well, and counts."""

import contextlib
import gzip
import json
import random
import socket
import time
from pathlib import Path

import grpc
import pytest

from inferometer.wire.frame import Frame, encode
from inferometer.wire.layout import TABLES
from inferometer.wire.message import Type, pack

POST = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
HTTP_PORTS = ("metrics", "api", "otlp-http")
ALL_PORTS = (*HTTP_PORTS, "otlp-grpc", "frames-tcp")
SEED = 20_261_123


@pytest.fixture(autouse=True)
def stays_well(sidecar, make, new_worker):
    """Whatever a test did: pages answer, passes come, a worker's frame is acknowledged."""
    yield
    assert sidecar.is_well(), sidecar.log()
    worker = new_worker(make.unix(sidecar.folder / "s.sock"))
    assert worker.send() == 1


def talk(port, *parts, pause=0.0):
    """Send *parts* over a connection of its own, and whatever comes back within two seconds."""
    with socket.create_connection(("127.0.0.1", port), 5) as sock, contextlib.suppress(OSError):
        sock.settimeout(2)
        # Who was refused while it sent still reads why.
        with contextlib.suppress(OSError):
            for part in parts:
                sock.sendall(part)
                time.sleep(pause)
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_WR)
        return sock.recv(65_536)
    return b""


@pytest.mark.parametrize("port", ALL_PORTS)
def test_random_bytes_and_halves_of_what_is_right_harm_no_port(sidecar, port):
    dice = random.Random(f"{SEED} {port}")
    heads = {
        "otlp-grpc": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
        "frames-tcp": pack(Type.HELLO, b'{"worker_id":"00"}'),
    }
    right = heads.get(port, b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\r\n{}")
    for _ in range(25):
        cut = right[: dice.randrange(len(right))]
        talk(sidecar.ports[port], cut + dice.randbytes(dice.randrange(1, 3_000)))


def test_random_bodies_of_spans_are_refused_or_taken_and_nothing_else(sidecar, make):
    dice = random.Random(SEED)
    whole = make.request([{"attributes": {"gen_ai.response.model": "m", "n": 1}, "kind": 2}]).SerializeToString()
    for _ in range(60):
        body = bytearray(whole)
        for _ in range(dice.randrange(1, 6)):
            body[dice.randrange(len(body))] = dice.randrange(256)
        body = bytes(body[: dice.randrange(1, len(body) + 1)])
        status, _, _ = make.post(sidecar.ports["otlp-http"], body)
        assert status in {200, 400}


def test_deep_and_strange_json_is_refused(sidecar, make):
    kind = {"content-type": "application/json"}
    deep = b'{"resourceSpans":[' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"]}"
    nested = {"kvlistValue": {"values": []}}
    for _ in range(200):
        nested = {"kvlistValue": {"values": [{"key": "k", "value": nested}]}}
    span = {"traceId": "01" * 16, "spanId": "01" * 8, "attributes": [{"key": "k", "value": nested}]}
    strange = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    for body in (
        deep,
        strange,
        b'{"resourceSpans": 1}',
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":1e999}]}]}]}',
    ):
        status, _, _ = make.post(sidecar.ports["otlp-http"], body, kind)
        assert status == 400


def test_a_bomb_of_gzip_is_cut_off_on_both_protocols_and_takes_no_memory(sidecar, make):
    def resident():
        status = Path(f"/proc/{sidecar.process.pid}/status").read_text(encoding="ascii")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))

    bomb = gzip.compress(bytes(1 << 30), 9)
    before = resident()
    status, _, _ = make.post(sidecar.ports["otlp-http"], bomb, {"content-encoding": "gzip"})
    with grpc.insecure_channel(f"127.0.0.1:{sidecar.ports['otlp-grpc']}") as channel:
        call = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        with pytest.raises(grpc.RpcError) as caught:
            call(bytes(200 << 20), timeout=30, compression=grpc.Compression.Gzip)

    assert status == 413
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert resident() - before < 100_000, "KiB more than before"


def test_a_body_without_an_end_is_cut_off_at_the_limit(sidecar):
    head = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"100000\r\n" + bytes(1 << 20) + b"\r\n"

    assert b" 413 " in talk(sidecar.ports["otlp-http"], head, *[chunk] * 6)[:20]


@pytest.mark.parametrize("port", HTTP_PORTS)
def test_a_head_that_is_too_large_is_refused(sidecar, port):
    answer = talk(sidecar.ports[port], b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + b"a: " + b"b" * 200_000 + b"\r\n\r\n")

    assert not answer or answer.split()[1] in {b"400", b"431"}


def test_oversize_and_truncated_messages_of_frames_are_refused_and_counted(sidecar, make):
    before = sidecar.value("inferometer_refusals_total", port="frames")
    claims = b"IFMR" + (2).to_bytes(2, "little") + (0x0101).to_bytes(2, "little") + (1 << 31).to_bytes(4, "little")
    for data in (claims, pack(Type.FRAME, b"x"), pack(Type.HELLO, b"{}"), b"GET / HTTP/1.1\r\n\r\n"):
        assert b"reason" in talk(sidecar.ports["frames-tcp"], data)
    make.wait(lambda: sidecar.value("inferometer_refusals_total", port="frames") >= before + 4)


@pytest.mark.slow
@pytest.mark.parametrize("port", ALL_PORTS)
def test_clients_that_send_a_byte_now_and_then_are_given_up(sidecar, port):
    """Slow heads; a port of gRPC waits for settings, one of frames for HELLO."""
    starts = {"otlp-grpc": b"PRI", "frames-tcp": b"IF"}
    begun = starts.get(port, b"GET /metr")
    with socket.create_connection(("127.0.0.1", sidecar.ports[port]), 5) as sock:
        sock.settimeout(1.0)
        sock.sendall(begun)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                if not sock.recv(4096):
                    break
            except TimeoutError:
                with contextlib.suppress(OSError):
                    sock.sendall(b"x" if port in HTTP_PORTS else b"")
            except OSError:
                break
        else:
            pytest.fail("still connected after 30 s")


@pytest.mark.slow
def test_a_body_that_trickles_is_given_up_and_counted(sidecar, make):
    before = sidecar.value("inferometer_refusals_total", port="otlp_http", reason="too_slow")
    head = (
        b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: 1000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", sidecar.ports["otlp-http"]), 5) as sock:
        sock.sendall(head)
        with contextlib.suppress(OSError):
            for _ in range(60):
                sock.sendall(b"x")
                time.sleep(0.3)
    make.wait(lambda: sidecar.value("inferometer_refusals_total", port="otlp_http", reason="too_slow") > before)


@pytest.mark.parametrize(("port", "most"), [("metrics", 16), ("api", 128), ("otlp-http", 128), ("otlp-grpc", 128)])
def test_more_connections_than_there_is_room_for_are_closed_and_the_port_answers_again(sidecar, make, port, most):
    opened = []
    try:
        for _ in range(most + 20):
            sock = socket.create_connection(("127.0.0.1", sidecar.ports[port]), 5)
            sock.settimeout(0.0)
            opened.append(sock)

        def closed():
            found = 0
            for sock in opened:
                try:
                    found += not sock.recv(4096)
                except BlockingIOError:
                    continue
                except OSError:
                    found += 1
            return found

        make.wait(lambda: closed() >= 10)
    finally:
        for sock in opened:
            sock.close()
    if port in {"metrics", "api"}:
        path = "/metrics" if port == "metrics" else "/healthz"
        make.wait(lambda: answers(sidecar, port, path))


def answers(sidecar, port, path):
    try:
        return sidecar.get(port, path)[0] == 200
    except OSError:
        return False


def test_frames_of_random_rows_are_counted_and_keep_nobody_elses_out(sidecar, make, new_worker):
    dice = random.Random(SEED)
    before = sidecar.value("inferometer_dropped_total", component="sidecar", reason="undecodable")
    for _ in range(20):
        worker = new_worker(make.unix(sidecar.folder / "s.sock"))
        tables = {table.section: dice.randbytes(table.size * dice.choice((1, 3))) for table in TABLES}
        gauges = {"in_flight": "3", "drops": {"\ud800": -1}, "model_loads": [1]}
        frame = Frame(
            worker_id=worker.worker_id, sequence=1, monotonic_ns=time.monotonic_ns(), wall_ns=time.time_ns(),
            names=worker.names, gauges=gauges, tables=tables,
        )  # fmt: skip
        worker.sequence = 1
        worker.sock.sendall(pack(Type.FRAME, encode(frame)))
        assert worker.answer() == 1
    trace = dice.getrandbits(63) | 1
    worker, now = new_worker(make.unix(sidecar.folder / "s.sock")), time.monotonic_ns()
    worker.send(requests=make.request_row(dice.getrandbits(63), now - 10**7, now, trace=trace))

    make.wait(lambda: worker.send() and sidecar.trace(trace))
    make.wait(
        lambda: sidecar.value("inferometer_dropped_total", component="sidecar", reason="undecodable") > before + 20
    )
    assert "failed" not in sidecar.log()
