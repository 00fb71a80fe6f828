"""A recorder that takes no rows, for its disk is full: everything else goes on, and what is lost is counted."""

import numpy as np
import pytest

from inferometer.catalog import requests, telemetry
from inferometer.errors import StateError
from inferometer_exporters import unstored
from inferometer_exporters.recorder.store import Recorder

DROPPED = (telemetry.DROPS, "sidecar", "queue_full")


@pytest.fixture
def full(monkeypatch):
    """Switches a disk that is full on and off; counts attempts to write to it."""
    state = {"full": False, "attempts": 0}
    write = Recorder.write

    def refuse(self, number, batches):
        state["attempts"] += 1
        if state["full"]:
            raise StateError("cannot store: No space left on device")
        write(self, number, batches)

    monkeypatch.setattr(Recorder, "write", refuse)
    return state


def serve(bench, make, worker, span, *, shape=2):
    now = bench.clock.now
    bench.do_pass(worker.arrival(now + make.MS, requests=[make.request(span, now, now + make.MS, shape=shape)]))
    bench.do_pass(worker.arrival(bench.clock.now), seconds=1)
    return bench.do_pass(worker.arrival(bench.clock.now), seconds=1)


def stored(bench):
    return [span for (span,) in bench.rows("select span_id from requests order by span_id")]


def test_series_and_state_go_on_while_the_recorder_takes_nothing_and_its_rows_follow(bench, make, full, caplog):
    worker = make.worker()
    serve(bench, make, worker, 1)
    full["full"] = True
    serve(bench, make, worker, 2)
    serve(bench, make, worker, 3)
    assert stored(bench) == [1]
    assert bench.value(telemetry.RECORDS, "gateway") == 3

    full["full"] = False
    for _ in range(unstored.PATIENCE):
        bench.do_pass(worker.arrival(bench.clock.now))

    assert stored(bench) == [1, 2, 3]
    assert bench.value(*DROPPED[:1], *DROPPED[1:]) in {None, 0}
    assert caplog.text.count("No space left on device") == 1
    assert "takes rows again" in caplog.text


def test_the_longer_it_lasts_the_fewer_attempts_are_made(bench, make, full):
    worker = make.worker()
    full["full"] = True
    for _ in range(400):
        bench.do_pass(worker.arrival(bench.clock.now))

    assert full["attempts"] < 16


def test_the_last_pass_tries_once_more(bench, make, full):
    worker = make.worker()
    full["full"] = True
    serve(bench, make, worker, 1)
    for _ in range(40):
        bench.do_pass(worker.arrival(bench.clock.now))
    full["full"] = False
    bench.pipeline.closing = True

    bench.do_pass(worker.arrival(bench.clock.now))

    assert stored(bench) == [1]


def test_what_a_crash_takes_of_waiting_rows_is_counted_and_names_keep_their_numbers(new_bench, make, full):
    first, worker = new_bench(), make.worker()
    serve(first, make, worker, 1)
    full["full"] = True
    # A label set and a process that the recorder does not know yet.
    serve(first, make, worker, 2, shape=3)
    now = first.clock.now
    held = make.request(3, now, now + make.MS, shape=3)
    # Another worker has told nothing since: the ledger waits for it, and this request with the ledger.
    lagging = make.worker().arrival(now - make.MS)
    ran = worker.arrival(now + make.MS, requests=[held], executes=[make.execute(3, now, now + make.MS)])
    sections = first.do_pass(ran, lagging, seconds=0.01)
    assert stored(first) == [1]
    full["full"] = False

    second = new_bench(clock=first.clock)
    second.pipeline.load(sections, same_boot=True)
    second.pipeline.rollback(first.number)
    second.number = first.number
    serve(second, make, make.worker(), 4, shape=1)
    for _ in range(8):
        second.do_pass(seconds=1)

    assert stored(second) == [1, 3, 4]
    assert second.value(*DROPPED) == 1
    assert second.value(telemetry.RECORDS, "gateway") == 4
    assert second.rows("""select span_id, route, named_tenant from requests join labels on labels.id = labels
                          order by span_id""") == [
        (1, "/embed", ""), (3, "/search", "stranger"), (4, "/search", "acme"),
    ]  # fmt: skip


def test_more_rows_than_there_is_room_for_are_given_up_and_counted(bench, make, full, monkeypatch):
    monkeypatch.setattr(unstored, "MAX_REQUESTS", 2)
    worker = make.worker()
    full["full"] = True
    for span in range(1, 6):
        serve(bench, make, worker, span)
    full["full"] = False
    for _ in range(unstored.PATIENCE):
        bench.do_pass(worker.arrival(bench.clock.now))

    assert bench.value(*DROPPED) + len(stored(bench)) == 5
    assert bench.value(*DROPPED) >= 3
    assert bench.value(requests.REQUESTS, "gateway", "minilm", "v1", "", "", "", "ok", "true") in {None, 5}


def spans(count):
    """Rows of the table `spans`; what they say does not matter."""
    return {"span_id": np.arange(count, dtype=np.uint64)}


def test_spans_of_others_that_wait_are_given_up_before_requests_are(bench, make, full, monkeypatch):
    monkeypatch.setattr(unstored, "MAX_SPANS", 10)
    worker = make.worker()
    full["full"] = True
    serve(bench, make, worker, 1)
    for _ in range(3):
        bench.pipeline._unstored.put("spans", spans(4))
        bench.do_pass(worker.arrival(bench.clock.now))
    full["full"] = False
    bench.pipeline.closing = True
    bench.do_pass(worker.arrival(bench.clock.now))

    assert stored(bench) == [1]
    assert bench.value(*DROPPED) == 12
    assert bench.rows("select count(*) from spans") == [(0,)]


def test_rows_of_all_tables_together_are_bounded(bench, make, full, monkeypatch):
    monkeypatch.setattr(unstored, "MAX_ROWS", 20)
    worker = make.worker()
    full["full"] = True
    for _ in range(200):
        # Nobody asks for anything, and the ledger is entered each second.
        bench.do_pass(worker.arrival(bench.clock.now), seconds=1)
        assert bench.pipeline._unstored._waiting(*bench.pipeline._unstored._rows) <= 20 + 6

    assert bench.value(*DROPPED) in {None, 0}


MOST_SPANS = 20


def of_others(count):
    ids = {name: np.arange(count, dtype=np.uint64) for name in ("trace_hi", "trace_lo", "span_id", "parent_id")}
    numbers = dict.fromkeys(("wall_ns", "duration_ns", "kind", "failed"), np.zeros(count, np.int64))
    texts = dict.fromkeys(("service", "name"), np.array(["s"] * count, object))
    return {**ids, **numbers, "request": ids["trace_hi"], **texts}


def let_go(bench):
    return bench.value(telemetry.SPANS_LET_GO) or 0


def with_spans(bench, worker, count):
    bench.pipeline._unstored.put("spans", of_others(count))
    return bench.do_pass(worker.arrival(bench.clock.now))


@pytest.mark.parametrize(("brings", "refused"), [(15, 0), (33, 13)])
def test_spans_that_went_in_a_pass_whose_state_was_never_written_are_counted(new_bench, make, brings, refused):
    """The crash comes between the recorder's commit and the state file: what was deleted is gone, and told once."""
    worker, first = make.worker(), new_bench()
    first.recorder._spans._most = MOST_SPANS
    with_spans(first, worker, 12)
    sections = with_spans(first, worker, 12)
    before = let_go(first)
    with_spans(first, worker, brings)
    assert let_go(first) > before

    second = new_bench(clock=first.clock)
    second.recorder._spans._most = MOST_SPANS
    second.pipeline.load(sections, same_boot=True)
    second.pipeline.rollback(first.number - 1)
    second.number = first.number - 1
    second.do_pass()

    (stored,) = second.rows("select count(*) from spans")[0]
    assert let_go(second) + stored == 12 + 12
    # Sent again, or not: what the lost pass had no room for was never let go by anybody.
    second.pipeline._unstored.put("spans", of_others(brings))
    second.do_pass()
    (stored,) = second.rows("select count(*) from spans")[0]
    assert let_go(second) + stored == 12 + 12 + brings
    assert let_go(second) >= refused


def test_a_state_of_before_spans_were_counted_there_counts_from_where_the_recorder_is(new_bench, make):
    worker, first = make.worker(), new_bench()
    first.recorder._spans._most = MOST_SPANS
    with_spans(first, worker, 15)
    sections = dict(with_spans(first, worker, 15))
    del sections["sidecar.spans_let_go"]
    counted = let_go(first)

    second = new_bench(clock=first.clock)
    second.pipeline.load(sections, same_boot=True)
    second.pipeline.rollback(first.number)
    second.number = first.number
    second.do_pass()

    assert let_go(second) == counted == 15


@pytest.mark.parametrize("told", [b"x", b"[]", b'{"requests": "x", "names": {}}', b'{"requests": 1, "names": 5}'])
def test_a_section_that_is_none_is_refused(bench, make, told):
    sections = bench.do_pass(make.worker().arrival(bench.clock.now))

    with pytest.raises(StateError, match="rows that waited"):
        bench.pipeline.load({**sections, "sidecar.unstored": told}, same_boot=True)


def test_a_number_of_spans_that_is_none_is_refused(bench):
    with pytest.raises(StateError, match="spans that were let go"):
        bench.pipeline._unstored.load({"sidecar.spans_let_go": b"many"}, same_names=True)
