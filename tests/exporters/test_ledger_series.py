"""What the ledger finds, as series and in the recorder: phases, methods, groups, energy, waste."""

import pytest

from inferometer.catalog import devices, gpus, requests, telemetry
from inferometer.catalog.stages import Kind, Outcome
from inferometer_exporters.ledger.methods import Method
from inferometer_exporters.ledger.steps import Part, Step
from inferometer_exporters.source import Reading, Sample

MODEL = ("embedder", "minilm", "v1", "")
TENANT = (*MODEL, "")
WATT = 10**6


class Read:
    """A sampler of one GPU whose energy counter a test moves."""

    def __init__(self, bench):
        self.newest = []
        bench.pipeline._sampler = self

    def at(self, now, joules):
        readings = (
            Reading(gpus.GPU_INFO, ("GPU-1", "NVIDIA Something", "580.1", "nvml"), 1),
            Reading(gpus.GPU_ENERGY, ("GPU-1",), joules * WATT),
        )
        self.newest = [Sample(0, "nvml", readings, now)]

    def samples(self):
        return self.newest


def key(worker):
    return int.from_bytes(worker.worker_id[:8], "little")


def test_prefill_and_decode_are_counted_apart_and_prefill_by_its_tokens(bench, make):
    worker, now, ms = make.worker(), bench.clock.now, make.MS
    frame = worker.arrival(
        now + 100 * ms,
        requests=[make.request(5, now, now + 80 * ms), make.request(6, now, now + 80 * ms)],
        executes=[
            make.execute(5, now, now + 40 * ms, kind=Kind.PREFILL, tokens=192, execute_id=1),
            make.execute(5, now + 40 * ms, now + 80 * ms, kind=Kind.DECODE, execute_id=2),
            make.execute(6, now, now + 80 * ms, kind=Kind.DECODE, execute_id=3),
        ],
    )
    bench.do_pass(frame, seconds=0.1)
    bench.do_pass(worker.arrival(bench.clock.now + ms))

    assert bench.value(requests.DEVICE_SECONDS, *TENANT, "box", "prefill", "ok", "sweep") == 30 * ms
    assert bench.value(requests.DEVICE_SECONDS, *TENANT, "box", "decode", "ok", "sweep") == (20 + 10 + 20) * ms
    assert bench.rows("select span_id, device_ns, method from requests order by span_id") == [
        (5, 50 * ms, Method.SWEEP), (6, 30 * ms, Method.SWEEP),
    ]  # fmt: skip


def test_steps_of_an_engine_lead_to_the_series_and_the_recorder(bench, make):
    worker, now, ms = make.worker(), bench.clock.now, make.MS
    parts = tuple(Part(worker=key(worker), span_id=span, execute_id=span, context=100) for span in (5, 6))
    more = Part(worker=key(worker), span_id=5, execute_id=5, context=101)
    bench.pipeline.steps(
        [
            Step(device="box", engine="an engine", start=now, end=now + 20 * ms, parts=parts),
            Step(device="box", engine="an engine", start=now + 30 * ms, end=now + 40 * ms, parts=(more,)),
        ]
    )
    frame = worker.arrival(
        now + 100 * ms,
        requests=[make.request(5, now, now + 80 * ms), make.request(6, now, now + 80 * ms)],
        executes=[make.execute(span, now, now + 80 * ms, kind=Kind.DECODE) for span in (5, 6)],
    )
    bench.do_pass(frame, seconds=0.1)
    bench.do_pass(worker.arrival(bench.clock.now + ms))

    assert bench.value(requests.DEVICE_SECONDS, *TENANT, "box", "decode", "ok", "steps") == 30 * ms
    assert bench.rows("select span_id, device_ns, method from requests order by span_id") == [
        (5, 20 * ms, Method.STEPS), (6, 10 * ms, Method.STEPS),
    ]  # fmt: skip
    assert bench.value(devices.LEDGER, "box", "attributed") == 30 * ms


def test_a_run_on_a_group_is_one_run_in_the_recorder_and_time_on_each_device(bench, make, monkeypatch):
    monkeypatch.setitem(make.strings, 5, "GPU-1,GPU-2")
    worker, now, ms = make.worker(), bench.clock.now, make.MS
    frame = worker.arrival(
        now + 100 * ms,
        requests=[make.request(5, now, now + 80 * ms)],
        executes=[make.execute(5, now, now + 50 * ms, device=5)],
    )
    bench.do_pass(frame, seconds=0.1)
    bench.do_pass(worker.arrival(bench.clock.now + ms))

    for device in ("GPU-1", "GPU-2"):
        assert bench.value(requests.DEVICE_SECONDS, *TENANT, device, "execute", "ok", "exclusive") == 50 * ms
        assert bench.value(devices.LEDGER, device, "attributed") == 50 * ms
    assert bench.rows("select device_ns from requests") == [(100 * ms,)]
    assert bench.rows("select execute_id, device_ns from executes") == [(5, 100 * ms)]


def test_a_request_of_a_worker_that_died_on_a_group_has_its_stages_once(bench, make, monkeypatch):
    monkeypatch.setitem(make.strings, 5, "GPU-1,GPU-2")
    worker, now, ms = make.worker(), bench.clock.now, make.MS
    running = make.execute(5, now, 0, final=0, device=5)
    bench.do_pass(worker.arrival(now + 250 * ms, executes=[running], opened=[make.opened(5, now)]))
    bench.do_pass(seconds=10, gone=[worker.worker_id])
    bench.do_pass(seconds=6)

    found = bench.rows("select outcome, duration_ns = execute_ns, device_ns = 2 * execute_ns from requests")
    assert found == [(int(Outcome.SERVER_ERROR), True, True)]


def test_energy_is_a_series_by_phase_and_outcome_and_by_what_the_device_did(bench, make):
    worker, now, ms = make.worker(), bench.clock.now, make.MS
    counter = Read(bench)
    counter.at(now, 1_000)
    frame = worker.arrival(
        now + 1_000 * ms,
        requests=[make.request(5, now, now + 600 * ms, outcome=Outcome.SERVER_ERROR)],
        executes=[make.execute(5, now, now + 500 * ms, device=4)],
    )
    bench.do_pass(frame, seconds=1)
    counter.at(now + 1_000 * ms, 1_300)
    bench.do_pass(worker.arrival(bench.clock.now + 250 * ms))

    labels = ("execute", "server_error", "exclusive")
    assert bench.value(requests.ENERGY, *TENANT, *labels) == 150 * WATT
    assert bench.value(devices.LEDGER_ENERGY, "GPU-1", "attributed") == 150 * WATT
    assert bench.value(devices.LEDGER_ENERGY, "GPU-1", "warm_idle") == 150 * WATT
    assert bench.rows("select energy, method from requests") == [(150 * WATT, Method.EXCLUSIVE)]
    assert bench.value(requests.COST, *TENANT, *labels) is None


def test_a_device_without_readings_has_no_energy_series(bench, make):
    worker, now, ms = make.worker(), bench.clock.now, make.MS
    frame = worker.arrival(
        now + 100 * ms, requests=[make.request(5, now, now + 80 * ms)], executes=[make.execute(5, now, now + 50 * ms)]
    )
    bench.do_pass(frame, seconds=0.1)
    bench.do_pass(worker.arrival(bench.clock.now + ms))

    assert bench.value(requests.ENERGY, *TENANT, "execute", "ok", "exclusive") is None
    assert bench.value(devices.LEDGER_ENERGY, "box", "attributed") is None
    assert bench.rows("select energy, cost from requests") == [(None, 50 * ms)]


@pytest.mark.parametrize("outcome", [Outcome.SERVER_ERROR, Outcome.CANCELLED, Outcome.TIMEOUT])
def test_what_failed_is_charged_what_it_used(bench, make, outcome):
    worker, now, ms = make.worker(), bench.clock.now, make.MS
    frame = worker.arrival(
        now + 100 * ms,
        requests=[make.request(5, now, now + 80 * ms, outcome=int(outcome))],
        executes=[make.execute(5, now, now + 50 * ms)],
    )
    bench.do_pass(frame, seconds=0.1)
    bench.do_pass(worker.arrival(bench.clock.now + ms))

    found = [bench.value(requests.COST, *TENANT, "execute", o.label, "exclusive") for o in Outcome]
    assert [cost for cost in found if cost] == [50 * ms]


def test_rows_that_the_ledger_gives_up_are_counted_as_drops(bench, make, monkeypatch):
    monkeypatch.setattr("inferometer_exporters.ledger.ledger.MAX_UNFINISHED", 3)
    worker, now = make.worker(), bench.clock.now
    running = [make.execute(span, now, 0, final=0) for span in range(1, 9)]
    bench.do_pass(worker.arrival(now + make.MS, executes=running, opened=[make.opened(s, now) for s in range(1, 9)]))

    assert bench.aggregator.counter(telemetry.DROPS, ("sidecar", "hold_full")).value == 5


def test_under_a_burst_the_ledger_waits_for_no_silent_worker(bench, make, monkeypatch):
    monkeypatch.setattr("inferometer_exporters.settlement.MAX_ROWS", 5)
    silent, worker, now, ms = make.worker(pid=1), make.worker(pid=2), bench.clock.now, make.MS
    bench.do_pass(silent.arrival(now), worker.arrival(now), seconds=0.001)
    frame = worker.arrival(
        now + 90 * ms,
        requests=[make.request(span, now, now + 80 * ms) for span in range(1, 9)],
        executes=[make.execute(span, now + 2 * ms, now + 50 * ms) for span in range(1, 9)],
    )
    bench.do_pass(frame, seconds=0.1)

    assert bench.rows("select count(*) from requests") == [(8,)]


@pytest.mark.parametrize(
    ("gauges", "loading"),
    [
        ({"model_loads": [["minilm", 10**9]], "load_devices": ["GPU-1"]}, {"GPU-1": 10**9}),
        ({"model_loads": [["minilm", 10**9]]}, {"GPU-1": 10**9}),
        ({"model_loads": [["minilm", 10**9]], "load_devices": ["box"]}, {"box": 10**9}),
        ({"model_loads": [["minilm"], ["minilm", "x"]], "load_devices": [7]}, {}),
    ],
    ids=["as it says", "the one that it uses", "the host", "nonsense"],
)
def test_a_load_of_a_model_is_on_the_device_that_it_is_loaded_to(bench, make, gauges, loading):
    worker, now = make.worker(), bench.clock.now
    ran = make.execute(0, now, now + make.MS, device=4)
    bench.do_pass(worker.arrival(now + 2 * make.MS, executes=[ran]), seconds=0.002)
    now += 2 * make.SECOND
    bench.do_pass(worker.arrival(now, gauges=gauges), seconds=2)
    bench.do_pass(worker.arrival(now + make.SECOND), seconds=1)

    found = {account.device.name: account.states["loading"] for account in bench.pipeline.ledger.accounts}
    assert {device: ns for device, ns in found.items() if ns} == pytest.approx(loading, abs=3 * make.MS)


def tried_again(make, worker, now):
    """A caller's request whose first attempt at the embedder came to nothing, as did one of two hedged ones."""
    ms = make.MS
    calls = [
        make.call(1, 77, now + 10 * ms, now + 40 * ms, attempt=1, status=0),
        make.call(1, 78, now + 50 * ms, now + 90 * ms, attempt=2),
        make.call(1, 79, now + 91 * ms, now + 95 * ms, attempt=1),
        # Two hedges: the second was faster.
        make.call(1, 80, now + 95 * ms, now + 98 * ms, attempt=1, status=0, outcome=int(Outcome.CANCELLED)),
        make.call(1, 81, now + 96 * ms, now + 98 * ms, attempt=1),
    ]
    return worker.arrival(now + 100 * ms, requests=[make.request(1, now, now + 99 * ms, shape=1)], calls=calls)


def callees(make, worker, now):
    """What came of the calls: all of them were answered, the first and a hedge too late."""
    ms = make.MS
    spans = ((5, 77, 11), (6, 78, 60), (7, 79, 92), (8, 80, 101), (9, 81, 111))
    return worker.arrival(
        now + 120 * ms,
        requests=[make.request(s, now + b * ms, now + (b + 3) * ms, parent_id=call) for s, call, b in spans],
        executes=[make.execute(s, now + b * ms, now + (b + 2) * ms) for s, _, b in spans],
    )


@pytest.mark.parametrize("caller_first", [True, False])
def test_an_answer_to_an_attempt_that_was_given_up_is_counted_once_whoever_tells_first(bench, make, caller_first):
    caller, callee, now = make.worker(pid=1), make.worker(pid=2), bench.clock.now
    bench.do_pass(caller.arrival(now), callee.arrival(now), seconds=0)
    frames = [tried_again(make, caller, now), callees(make, callee, now)]
    for frame in frames if caller_first else reversed(frames):
        bench.do_pass(frame, seconds=0.1)
    bench.do_pass(seconds=6)

    assert bench.value(requests.RETRIED_COST, *TENANT) == 4 * make.MS
    assert bench.value(requests.COST, *TENANT, "execute", "ok", "exclusive") == 10 * make.MS


def test_what_waits_for_a_caller_or_a_callee_is_bounded(bench, make, monkeypatch):
    monkeypatch.setattr("inferometer_exporters.retries.MAX_ANSWERS", 2)
    monkeypatch.setattr("inferometer_exporters.retries.MAX_ATTEMPTS", 0)
    caller, callee, now = make.worker(pid=1), make.worker(pid=2), bench.clock.now
    bench.do_pass(tried_again(make, caller, now), callees(make, callee, now), seconds=0.1)
    bench.do_pass(seconds=6)

    assert bench.value(requests.RETRIED_COST, *TENANT) is None
    assert len(bench.pipeline._retries._answers["parent_id"]) == 2
    assert not bench.pipeline._retries._given_up
