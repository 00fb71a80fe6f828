"""Frames arrive once each, whatever happens to the connection, and an exit never hangs."""

import asyncio
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from inferometer.errors import RefusedError
from inferometer.recorder.buffers import BUFFER_FULL
from inferometer.recorder.destination import INTAKE_SOCKET, SIDECAR_SOCKET, Destination, private_directory
from inferometer.recorder.flusher import Flusher
from inferometer.recorder.worker import Worker
from inferometer.settings import Settings
from inferometer.testing import Collector
from inferometer.wire.message import Type, pack


@pytest.fixture
def worker(collector):
    made = []

    def make(**settings):
        worker = Worker(Settings(**{"service": "tested", "flush_seconds": 0.02, "exit_seconds": 0.3, **settings}))
        made.append(worker)
        return worker

    yield make
    for worker in made:
        worker.close()


@pytest.fixture
def serve(client, answer):
    from inferometer.recorder.asgi import recording  # noqa: PLC0415 - only this test asks for it

    def requests(worker, count):
        app = answer()
        recorded = recording(worker, lambda _, scope, receive, send: app(scope, receive, send))

        async def all_of_them():
            for _ in range(count):
                await client()(lambda scope, receive, send: recorded(None, scope, receive, send))

        asyncio.run(all_of_them())

    return requests


def test_the_first_request_starts_sending_and_flush_waits_until_it_is_durable(worker, collector, serve):
    sender = worker(sidecar=collector.address)
    assert not sender.started
    serve(sender, 3)

    assert sender.flush(5)
    assert len(collector.records) == 3
    (hello,) = collector.hellos
    assert (hello.service, hello.worker_id, len(hello.boot_id)) == ("tested", sender.worker_id, 36)
    assert 0 < hello.start_ns < time.monotonic_ns()


def test_an_idle_worker_sends_frames_with_its_state(worker, collector):
    sender = worker(sidecar=collector.address)
    sender.start()
    collector.until(lambda: len(collector.frames) >= 3)
    gauges = collector.frames[-1].gauges

    assert gauges["in_flight"] == 0
    assert gauges["resident_bytes"] > 10_000_000
    assert gauges["cpu_ns"] > 0
    assert len(gauges["gc_collections"]) == 3
    assert [frame.sequence for frame in collector.frames] == list(range(1, len(collector.frames) + 1))


def test_a_cut_connection_costs_nothing(worker, collector, serve):
    sender = worker(sidecar=collector.address)
    for number in range(1, 11):
        serve(sender, 5)
        collector.until(lambda hellos=number: len(collector.hellos) >= hellos)
        collector.drop_connections()
    assert sender.flush(5)

    assert len(collector.records) == 50
    assert len({record.span_id for record in collector.records}) == 50
    assert len(collector.hellos) > 10


def test_a_sidecar_that_comes_later_gets_everything(worker, tmp_path, serve):
    path = tmp_path / "late.sock"
    sender = worker(sidecar=f"unix://{path}")
    serve(sender, 20)
    time.sleep(0.1)
    with Collector(path) as late:
        assert sender.flush(5)
        assert len(late.records) == 20
        assert {record.labels.service for record in late.records} == {"tested"}


def test_frames_that_nobody_acknowledges_are_sent_again_to_the_next(worker, tmp_path, serve):
    path = tmp_path / "s.sock"
    first = Collector(path)
    first.acknowledging = False
    sender = worker(sidecar=f"unix://{path}")
    serve(sender, 7)
    assert not sender.flush(0.2)
    first.close()
    path.unlink()
    with Collector(path) as second:
        assert sender.flush(5)
        assert len(second.records) == 7


def test_a_long_absence_is_bounded_and_its_losses_are_counted(worker, tmp_path, serve):
    sender = worker(sidecar=f"unix://{tmp_path}/nobody", buffered_requests=100, frame_bytes=1 << 20)
    sender.settings = replace(sender.settings, frame_bytes=20_000)
    for _ in range(30):
        serve(sender, 20)
        time.sleep(0.01)
    dropped = sender.buffers.drops().get(BUFFER_FULL, 0)
    with Collector(tmp_path / "nobody") as back:
        back.until(lambda: len(back.records) + sender.buffers.drops().get(BUFFER_FULL, 0) == 600)

        assert dropped > 0
        assert len(sender.buffers) <= 100
        back.until(lambda: back.frames[-1].gauges["drops"] == sender.buffers.drops())


def test_an_exit_with_nobody_there_takes_no_longer_than_its_time_and_says_what_is_lost(worker, tmp_path, serve, caplog):
    sender = worker(sidecar=f"unix://{tmp_path}/nobody", exit_seconds=0.3)
    serve(sender, 3)
    begun = time.monotonic()
    sender.flush_at_exit()
    sender.flush_at_exit()
    sender.close()

    assert time.monotonic() - begun < 1.0
    assert caplog.messages.count("nobody acknowledged 3 requests before this process had to end: they are lost") == 1


def test_a_peer_that_reads_nothing_blocks_no_exit(worker, tmp_path, serve):
    path = tmp_path / "stuck.sock"
    with socket.socket(socket.AF_UNIX) as stuck:
        stuck.bind(str(path))
        stuck.listen()
        sender = worker(sidecar=f"unix://{path}", exit_seconds=0.5)
        serve(sender, 2000)
        begun = time.monotonic()
        sender.close()

        assert time.monotonic() - begun < 2.0


@pytest.mark.parametrize(
    "bytes_back", [pack(Type.REFUSE, b'{"reason": "too old"}'), b"HTTP/1.1 400 Bad Request\r\n\r\n"]
)
def test_a_refusal_and_a_stranger_are_said_once_and_tried_again_later(worker, tmp_path, serve, caplog, bytes_back):
    path = tmp_path / "other.sock"
    connections = []
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()

        def refuse():
            while True:
                try:
                    connection, _ = other.accept()
                except OSError:
                    return
                connections.append(connection)
                connection.sendall(bytes_back)

        thread = threading.Thread(target=refuse, daemon=True)
        thread.start()
        sender = worker(sidecar=f"unix://{path}", exit_seconds=0.2)
        serve(sender, 1)
        assert not sender.flush(0.5)
        sender.close()
        other.shutdown(socket.SHUT_RDWR)
        thread.join(5)

    assert len(connections) == 1
    connections[0].close()
    assert len([text for text in caplog.messages if "before this process had to end" not in text]) == 1


class Held:
    """A local Intake that counts its closings."""

    def __init__(self, directory: Path) -> None:
        self.collector = Collector(directory / INTAKE_SOCKET)
        self.closed = 0

    def close(self) -> None:
        self.closed += 1
        self.collector.close()
        (Path(self.collector.address.removeprefix("unix://"))).unlink()

    def close_after_fork(self) -> None:
        raise AssertionError


def test_without_a_sidecar_the_worker_holds_the_intake_until_one_comes(tmp_path, serve, monkeypatch):
    monkeypatch.setattr("inferometer.recorder.flusher.SIDECAR_SECONDS", 0.05)
    held = []

    def elect(directory):
        held.append(Held(directory))
        return held[-1]

    directory = tmp_path / "run"
    sender = Worker(Settings(flush_seconds=0.02, runtime_dir=directory), elect=elect)
    serve(sender, 5)
    assert sender.flush(5)
    assert len(held[0].collector.records) == 5
    with Collector(directory / SIDECAR_SOCKET) as sidecar:
        deadline = time.monotonic() + 5
        while not held[0].closed:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        serve(sender, 4)
        assert sender.flush(5)
        assert len(sidecar.records) == 4
        sender.close()

    assert held[0].closed == 1
    assert len(held) == 1


def test_a_runtime_directory_is_made_for_its_owner_alone(tmp_path):
    made = private_directory(tmp_path / "a" / "run")

    assert made.stat().st_mode & 0o777 == 0o700


def test_a_runtime_directory_that_others_may_enter_is_refused(tmp_path):
    tmp_path.chmod(0o755)

    with pytest.raises(RefusedError, match=r"with mode 0755; uid \d+ and 0700 are right"):
        private_directory(tmp_path)


def test_a_runtime_directory_that_is_a_link_is_refused(tmp_path):
    tmp_path.chmod(0o700)
    (tmp_path / "link").symlink_to(tmp_path)

    with pytest.raises(RefusedError):
        private_directory(tmp_path / "link")


def test_an_error_of_ours_in_the_thread_does_not_end_it(worker, collector, serve, monkeypatch, caplog):
    sender = worker(sidecar=collector.address)
    original, failures = Flusher._pass, []

    def failing(self):
        if not failures:
            failures.append(1)
            raise ZeroDivisionError
        original(self)

    monkeypatch.setattr(Flusher, "_pass", failing)
    serve(sender, 1)
    collector.wait(1)

    assert sender.hooks.errors() == {"flusher": 1}
    assert "ZeroDivisionError" in caplog.text


def test_after_a_large_frame_the_next_one_comes_sooner(worker, collector, serve, monkeypatch):
    monkeypatch.setattr("inferometer.recorder.flusher.USUAL_REQUESTS", 4)
    sender = worker(sidecar=collector.address, flush_seconds=8.0)
    serve(sender, 160)
    assert sender.flush(5)

    begin = time.monotonic()
    serve(sender, 1)
    collector.wait(161)
    assert time.monotonic() - begin < 4


def test_the_event_loops_longest_delay_is_told(worker, collector, serve):
    sender = worker(sidecar=collector.address)

    async def block():
        sender.start()
        await asyncio.sleep(0.15)
        time.sleep(0.15)  # noqa: ASYNC251 - it is what a lag is
        await asyncio.sleep(0.15)

    asyncio.run(block())
    collector.until(lambda: max(frame.gauges["event_loop_lag_ns"] for frame in collector.frames) > 40_000_000)


def test_tcp_is_an_address_too(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        sock = Destination(Settings(sidecar=address), None).open()
        assert sock is not None
        sock.close()

    assert Destination(Settings(sidecar=address), None).open() is None
