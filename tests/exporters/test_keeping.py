"""Which traces are kept, looked at as columns."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inferometer.intake.keep import in_baseline
from inferometer_exporters.keeping import baseline
from inferometer_exporters.kept import SIZE, KeptTraces


@given(st.lists(st.integers(0, 2**64 - 1), max_size=50))
def test_the_baseline_of_columns_is_that_of_single_traces(traces):
    found = baseline(np.array(traces, np.uint64))

    assert found.tolist() == [in_baseline(trace) for trace in traces]


def test_failed_requests_are_kept_and_of_a_storm_only_a_part(bench, make):
    worker, now = make.worker(), bench.clock.now
    requests = [make.request(span, now, now + make.MS, trace=span, outcome=3) for span in range(1, 1_501)]
    bench.do_pass(worker.arrival(now + 2 * make.MS, requests=requests), seconds=0.01)

    assert bench.rows("select reason, count(*) from kept group by 1") == [("failed", 1_000)]
    assert bench.rows("select count(*) from requests") == [(1_500,)]


def test_a_hop_of_a_kept_trace_is_sent_with_it_and_one_that_comes_later_by_itself():
    kept = KeptTraces()
    kept.add(5, "slow", due_ns=100, since_ns=50)
    kept.again(5, due_ns=120, since_ns=40)
    assert list(kept.due(110)) == []
    ((slot, due),) = kept.due(120)
    assert (due.trace_id, due.reason, due.since_ns, due.after) == (5, "slow", 40, 0)
    kept.sent(slot, 9)
    assert list(kept.due(10**12)) == []
    kept.again(5, due_ns=200, since_ns=60)
    ((_, later),) = kept.due(200)

    assert later.after == 9


def test_kept_traces_survive_a_restart_and_the_oldest_are_forgotten():
    kept = KeptTraces()
    for trace in range(1, SIZE + 11):
        kept.add(trace << 64 | trace, "failed", due_ns=trace, since_ns=0)
    again = KeptTraces()
    again.load(kept.dump(0))

    assert 10 << 64 | 10 not in kept
    assert 10 << 64 | 10 not in again
    assert 11 << 64 | 11 in again
    assert len(again.low()) == SIZE
    again.add(7, "slow", due_ns=1, since_ns=0)
    assert 11 << 64 | 11 not in again
    assert {due.trace_id for _, due in again.due(1)} == {7}
