"""The loop: nothing is acknowledged before it is durable, and nothing of ours ends the host."""

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from inferometer.errors import StateError
from inferometer.intake import Arrival
from inferometer.intake.listeners import listen_unix
from inferometer.intake.passes import Intake, boot_id
from inferometer.intake.server import Server
from inferometer.intake.state import StateFile
from inferometer.wire.frame import Frame, encode
from inferometer.wire.message import Hello, Reader, Type, acked, pack

BOOT = "boot"
WORKER = b"w" * 16


class Notes:
    """A pipeline that writes down what is asked of it."""

    def __init__(self, *, stored: int = 0) -> None:
        self.asked: list[str] = []
        self.absorbed: list[int] = []
        self.loaded: dict[str, bytes] = {}
        self.durable = True
        self.broken = False
        self.stored = stored

    def absorb(self, arrivals: Sequence[Arrival]) -> bool:
        if self.broken:
            raise ZeroDivisionError
        self.absorbed += [arrival.frame.sequence for arrival in arrivals]
        self.asked.append("absorb")
        return self.durable

    def departed(self, worker_ids: Sequence[bytes]) -> bool:
        self.asked.append(f"departed {len(worker_ids)}")
        return True

    def tick(self, now_ns: int) -> bool:  # noqa: ARG002 - as it is called
        return False

    def commit(self, number: int, *, previous_ns: int | None) -> None:
        self.asked.append(f"commit {number} {'first' if previous_ns is None else 'later'}")

    def rollback(self, number: int | None) -> int:
        self.asked.append(f"rollback {number}")
        return self.stored

    def dump(self) -> Mapping[str, bytes]:
        self.asked.append("dump")
        return {"notes": ",".join(map(str, self.absorbed)).encode()}

    def load(self, sections: Mapping[str, bytes], *, same_boot: bool) -> None:
        if "notes" not in sections:
            raise StateError("no notes")
        self.asked.append(f"load {same_boot}")
        self.loaded = dict(sections)

    def publish(self) -> None:
        self.asked.append("publish")


class Line:
    """An Intake on a socket, one worker, and the time."""

    def __init__(self, folder: Path, pipeline: Notes, *, boot: str = BOOT, steps: Callable[[str], None] | None = None):
        self.ns = 10**12
        self.folder = folder
        self.server = Server([listen_unix(folder / "s")], boot_id=BOOT)
        self.pipeline = pipeline
        more = {"after_step": steps} if steps is not None else {}
        self.intake = Intake(
            self.server,
            pipeline,
            StateFile(folder / "intake.state"),
            boot_id=boot,
            monotonic_ns=lambda: self.ns,
            **more,
        )
        self.worker = socket.socket(socket.AF_UNIX)
        self.worker.connect(str(folder / "s"))
        self.worker.settimeout(0)
        hello = Hello(worker_id=WORKER, pid=1, service="s", sdk_version="0", boot_id=BOOT, host="h", start_ns=1)
        self.worker.sendall(pack(Type.HELLO, hello.to_bytes()))

    def send(self, *sequences: int) -> None:
        for sequence in sequences:
            frame = Frame(worker_id=WORKER, sequence=sequence, monotonic_ns=1, wall_ns=1)
            self.worker.sendall(pack(Type.FRAME, encode(frame)))

    def do_pass(self) -> list[int]:
        """One pass; the sequences that were acknowledged."""
        for _ in range(3):
            self.server.poll(0.01)
        self.intake.do_pass()
        return self.heard()

    def heard(self) -> list[int]:
        try:
            return [acked(payload) for _, payload in Reader().feed(self.worker.recv(65536))]
        except OSError:
            return []

    def close(self) -> None:
        self.worker.close()
        self.intake.close()


@pytest.fixture
def line(tmp_path) -> Iterator[Callable[..., Line]]:
    made: list[Line] = []

    def make(pipeline: Notes | None = None, **more: object) -> Line:
        while made:
            made.pop().close()
        made.append(Line(tmp_path, pipeline or Notes(), **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_pass_goes_in_its_order(line):
    steps: list[str] = []
    made = line(steps=steps.append)
    made.intake.restore()
    made.send(1, 2)

    assert made.do_pass() == [2]

    assert made.pipeline.asked == ["rollback None", "publish", "absorb", "commit 1 first", "dump", "publish"]
    assert steps == ["absorbed", "committed", "written", "synced", "renamed", "published", "acknowledged"]
    assert made.intake.number == 1


def test_a_pass_without_anything_durable_writes_nothing_and_still_acknowledges(line):
    made = line()
    made.pipeline.durable = False
    made.send(1)

    assert made.do_pass() == [1]
    assert made.pipeline.asked == ["absorb", "publish"]
    assert not (made.folder / "intake.state").exists()


def test_a_frame_that_comes_again_is_acknowledged_again_and_not_absorbed(line):
    made = line()
    made.send(1, 2)
    made.do_pass()
    made.send(1, 2, 3, 3)

    assert made.do_pass() == [3]
    assert made.pipeline.absorbed == [1, 2, 3]


def test_a_restart_goes_on_where_the_state_ended(line):
    first = line()
    first.send(1, 2)
    first.do_pass()
    first.send(3)
    first.do_pass()

    second = line(Notes())
    second.intake.restore()
    second.send(3, 4)

    assert second.do_pass() == [4]
    assert second.pipeline.loaded["notes"] == b"1,2,3"
    assert second.pipeline.absorbed == [4]
    assert second.pipeline.asked[:3] == ["load True", "rollback 2", "publish"]
    assert second.intake.number == 3


def test_a_state_of_another_boot_is_told_so_and_its_workers_are_gone(line):
    first = line()
    first.send(1)
    first.do_pass()

    second = line(Notes(), boot="another")
    second.intake.restore()
    second.do_pass()

    assert second.pipeline.asked[0] == "load False"
    assert "departed 1" in second.pipeline.asked


def test_where_the_state_is_lost_the_count_goes_on_after_the_newest_row(line):
    made = line(Notes(stored=41))
    made.intake.restore()
    made.send(1)
    made.do_pass()

    assert "rollback None" in made.pipeline.asked
    assert "commit 42 first" in made.pipeline.asked


def test_a_state_that_the_pipeline_cannot_use_is_set_aside(line, caplog):
    first = line()
    first.pipeline.dump = dict
    first.send(1)
    first.do_pass()
    second = line(Notes())

    with pytest.raises(StateError, match="no notes"):
        second.intake.restore()

    assert [path.name for path in second.folder.glob("*damaged*")] == ["intake.damaged-0"]
    assert "counters begin anew" in caplog.text


def test_what_cannot_be_made_durable_is_not_acknowledged_until_it_can(line, caplog):
    made = line()
    blocker = made.folder / "intake.next"
    blocker.mkdir()
    made.send(1)
    assert made.do_pass() == []
    made.send(2)
    assert made.do_pass() == []
    assert caplog.text.count("would not survive a crash") == 1
    blocker.rmdir()
    made.pipeline.durable = False
    made.send(3)

    assert made.do_pass() == [3]
    assert made.intake.number == 1
    assert made.pipeline.absorbed == [1, 2, 3]


def test_a_worker_that_is_silent_for_half_a_minute_is_gone_once(line):
    made = line()
    made.send(1)
    made.do_pass()
    made.ns += 29 * 10**9
    made.do_pass()
    assert "departed 1" not in made.pipeline.asked
    made.ns += 2 * 10**9
    made.do_pass()
    made.do_pass()

    assert made.pipeline.asked.count("departed 1") == 1


def test_a_worker_that_hung_up_with_nothing_open_is_gone_soon(line):
    made = line()
    made.send(1)
    made.do_pass()
    made.worker.close()
    made.ns += 3 * 10**9
    made.do_pass()

    assert made.pipeline.asked.count("departed 1") == 1


def test_a_defect_of_ours_is_logged_seldom_and_the_loop_goes_on(line, caplog):
    made = line()
    made.pipeline.broken = True
    for sequence in range(1, 9):
        made.send(sequence)
        made.ns += 10**9
        made.intake.turn()

    made.pipeline.broken = False
    made.send(9)
    made.ns += 10**9
    made.intake.turn()

    assert made.intake.errors >= 7
    assert caplog.text.count("a pass of the intake failed") <= 4
    assert made.pipeline.absorbed
    assert made.intake.healthy()
    made.ns += 6 * 10**9
    assert not made.intake.healthy()


@pytest.mark.parametrize(("spent_ms", "waits"), [(0, 0.25), (12, 0.25), (20, 0.4), (25, 0.5), (400, 0.5)], ids=str)
def test_passes_that_take_much_of_a_core_come_half_as_often_at_most(tmp_path, monkeypatch, spent_ms, waits):
    now, spent, polled = [10**12], [0], []
    server = Server([listen_unix(tmp_path / "s")], boot_id=BOOT)

    def thread_ns():
        """Asked before and after a pass."""
        spent[0] += 1
        return spent[0] // 2 * spent_ms * 10**6

    def poll(seconds):
        polled.append(seconds)
        now[0] += int(seconds * 10**9)

    monkeypatch.setattr(server, "poll", poll)
    intake = Intake(
        server, Notes(), StateFile(tmp_path / "state"), boot_id=BOOT, monotonic_ns=lambda: now[0], thread_ns=thread_ns
    )  # fmt: skip
    try:
        intake.turn()
        polled.clear()
        intake.turn()
    finally:
        intake.close()

    assert polled[0] == pytest.approx(waits)


def test_this_kernel_has_a_boot_id():
    assert len(boot_id()) == 36
