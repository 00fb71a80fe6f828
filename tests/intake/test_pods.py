"""Pods of workers at an Intake: whom it asks, whose word counts, and the series that tells."""

import os
import socket

import pytest

from inferometer.aggregate import Aggregator
from inferometer.catalog import telemetry
from inferometer.intake.held_frames import HeldFrames
from inferometer.intake.listeners import listen_tcp, listen_unix
from inferometer.intake.pipeline import Arrival, WorkerInfo
from inferometer.intake.server import Server
from inferometer.intake.worker_series import WorkerSeries
from inferometer.wire.frame import Frame, Names, encode
from inferometer.wire.message import Hello, Type, pack
from inferometer.wire.pod import Pod

BOOT = "this-boot"
SAID = Pod(namespace="ml", name="llm-0", node="node-1", container="serve")


@pytest.fixture
def serve():
    made = []

    def build(listener, **more):
        made.append(Server([listener], boot_id=BOOT, **more))
        return made[-1]

    yield build
    for server in made:
        server.close()


def arrival(server, address, pod):
    hello = Hello(
        worker_id=b"w" * 16, pid=1, service="svc", sdk_version="0", boot_id=BOOT, host="h", start_ns=1, pod=pod
    )
    frame = encode(Frame(worker_id=b"w" * 16, sequence=1, monotonic_ns=1, wall_ns=2))
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as sock:
        sock.connect(address)
        sock.sendall(pack(Type.HELLO, hello.to_bytes()) + pack(Type.FRAME, frame))
        for _ in range(100):
            server.poll(0.05)
            if found := server.take():
                return found[0], server.pids
    raise AssertionError("no frame came")


def test_the_process_on_a_unix_socket_is_known_by_the_kernel_and_its_own_word_counts_more(serve, tmp_path):
    asked = []

    def known(pid):
        asked.append(pid)
        return Pod(node="other", uid="8d7c", container_id="4f2a")

    path = tmp_path / "s.sock"
    server = serve(listen_unix(path), pod_of=known)
    found, pids = arrival(server, str(path), SAID)

    assert asked == [os.getpid()]
    assert pids == {os.getpid()}
    assert found.worker.pod == SAID.or_else(Pod(uid="8d7c", container_id="4f2a"))


def test_of_a_process_that_comes_over_tcp_only_its_own_word_is_known(serve):
    listener = listen_tcp("127.0.0.1", 0)
    server = serve(listener, pod_of=lambda _: pytest.fail("a process elsewhere was asked for"))
    found, pids = arrival(server, listener.sock.getsockname(), SAID)

    assert found.worker.pod == SAID
    assert pids == set()


def info(pod, worker=b"w"):
    return WorkerInfo(worker_id=worker * 16, pid=42, service="svc", sdk_version="0", host="h", start_ns=1, pod=pod)


class Shown:
    def __init__(self):
        self.aggregator = Aggregator()
        self.series = WorkerSeries(self.aggregator)
        self._sequence = 0

    def frame(self, worker):
        self._sequence += 1
        frame = Frame(worker_id=worker.worker_id, sequence=self._sequence, monotonic_ns=1, wall_ns=2)
        self.series.frame(Arrival(worker, frame, Names()))
        return self.labels()

    def labels(self):
        families = [f for f in self.aggregator.snapshot().families if f.entry is telemetry.WORKER_INFO]
        return [sample.labels for family in families for sample in family.samples]


def test_the_info_says_where_a_worker_runs_until_it_is_gone():
    shown = Shown()

    assert shown.frame(info(SAID)) == [("svc", "42", "node-1", "ml", "llm-0", "serve")]
    moved = Pod(namespace="ml", name="llm-1", container_id="4f2a9c0b0b0b0b0b")
    assert shown.frame(info(moved)) == [("svc", "42", "", "ml", "llm-1", "4f2a9c0b0b0b")]
    shown.series.departed([b"w" * 16])
    assert shown.labels() == []


def test_outside_of_a_cluster_there_is_no_info():
    assert Shown().frame(info(Pod())) == []


def test_held_frames_know_their_pod_after_a_restart():
    before, after = HeldFrames(), HeldFrames()
    for worker, pod in ((b"w", SAID), (b"x", Pod())):
        before._know(info(pod, worker), Names({}, {}))
    after.load_names(before.dump_names())

    assert {worker: known.pod for worker, (known, _) in after._workers.items()} == {
        b"w" * 16: SAID, b"x" * 16: Pod(),
    }  # fmt: skip
