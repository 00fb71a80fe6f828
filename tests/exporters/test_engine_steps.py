"""Steps of an engine that its spans tell of: what its requests owe by them, against what they really cost."""

import random
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from inferometer.catalog import gpus
from inferometer.fleet.thresholds import Price
from inferometer_exporters.engine_steps import EngineSteps
from inferometer_exporters.engines.scrape import Scraped
from inferometer_exporters.ledger.account import State
from inferometer_exporters.ledger.methods import Method
from inferometer_exporters.ledger.steps import Part
from inferometer_exporters.pages.fetch import PageUrl
from inferometer_exporters.receivers.enrichment import Home
from inferometer_exporters.receivers.foreign import Foreign
from inferometer_exporters.receivers.inbox import Inbox
from inferometer_exporters.receivers.incoming import MARKS, incoming
from inferometer_exporters.receivers.passes import Took
from inferometer_exporters.source import Reading, Sample, Sampler

SECOND, MS = 10**9, 10**6
GPU = "GPU-1"
PRICE = Price(
    kind="gpu", model="*", picodollars_per_hour=3_600_000_000_000, price_kind="owned", source="test", as_of="2026-10-01"
)
PAGE = Scraped(url=PageUrl.parse("http://127.0.0.1:30000/metrics"), service="llm")
FIXED, PER_PROMPT, PER_SEQUENCE, PER_CONTEXT = 4.0 * MS, 0.02 * MS, 0.3 * MS, 0.0006 * MS
"""Ns of a step, of a token of a prompt, of a sequence that decodes, and of a token that it reads."""
SEQUENCES = 12
THREAD = "Scheduler [TP 0]  [PP 0] (host:01234567 | pid:22)"


@dataclass
class Asked:
    """A request of the simulated engine; times are of the test's clock."""

    number: int
    arrives: int
    prompt: int
    answer: int
    begins: int = 0
    first: int = 0
    ends: int = 0
    written: int = 0
    owes: float = 0.0
    events: list = field(default_factory=list)
    """Moment and members of each batch, and whether it was of its prompt."""
    loops: list = field(default_factory=list)


def simulated(start, count, seed=3):
    """Requests of an engine that computes either prompts or tokens in a step; what each owes is its Shapley value."""
    chance = random.Random(seed)
    at, waiting = float(start), []
    for number in range(1, count + 1):
        at += chance.expovariate(1 / (0.12 * SECOND))
        prompt, answer = chance.choice([(200, 60), (4000, 20), (800, 40), (100, 120)])
        waiting.append(Asked(number, int(at), prompt, answer))
    everybody, running, now, steps = list(waiting), [], start, []
    while waiting or running:
        new = [one for one in waiting if one.arrives <= now][: SEQUENCES - len(running)]
        members = new or running
        if not members:
            now = waiting[0].arrives
            continue
        mine = [
            PER_PROMPT * one.prompt if new else PER_SEQUENCE + PER_CONTEXT * (one.prompt + one.written)
            for one in members
        ]
        end = now + round(FIXED + sum(mine))
        for number, (one, own) in enumerate(zip(members, mine, strict=True)):
            one.owes += own + FIXED / len(members)
            one.events.append((now, len(members), bool(new)))
            # A thread goes from one to the next.
            done = end + number * 10_000
            if new:
                one.begins, one.first, one.written = now, done, 1
            else:
                one.loops.append(done)
                one.written += 1
            if one.written >= one.answer:
                one.ends = done
        steps.append(end - now)
        waiting = [one for one in waiting if one not in new]
        running = [one for one in (*running, *new) if not one.ends]
        now = end + len(members) * 10_000 + 50_000
    return everybody, sum(steps)


def spans_of(one, tells_batches):
    """Id, parent, name, begin, end, attributes and events of a request's spans, by the moment at which they ended."""
    root, thread, prompt, answer = (one.number << 32 | place for place in range(1, 5))
    events = list(one.events) if tells_batches else []
    numbers = {"gen_ai.usage.prompt_tokens": one.prompt, "gen_ai.usage.completion_tokens": one.answer}
    starts = [one.first, *one.loops[:-1]]

    def within(begin, end):
        return [event for event in events if begin <= event[0] < end]

    yield prompt, thread, "prefill_forward", one.begins, one.first, {}, within(one.begins, one.first)
    for place, (begin, end) in enumerate(zip(starts, one.loops, strict=True)):
        yield answer + 1 + place, answer, "decode_loop", begin, end, {"decode_ct": place}, within(begin, end)
    yield answer, thread, "decode_forward", one.first, one.ends, {}, []
    yield thread, root, THREAD, one.arrives, one.ends, {}, []
    said = {"rid": f"{one.number:08x}", "gen_ai.response.model": "toy", **numbers}
    yield root, 0, f" Req {one.number:08x}", one.arrives, one.ends + 1_000, said, []


class Gpus(Sampler):
    """One GPU, read whenever it is asked."""

    def __init__(self):
        super().__init__([])
        self.clock = None

    def samples(self):
        return [
            Sample(0, "nvml", (Reading(gpus.GPU_INFO, (GPU, "NVIDIA Something", "580.1", "nvml"), 1),), self.clock())
        ]


@pytest.fixture
def host(new_bench, make):
    """A host with a GPU and an engine that sends spans."""
    inbox, sampler = Inbox(1 << 30), Gpus()

    def foreign(bench, naming):
        return Foreign(inbox, bench.recorder, naming, home=Home(host="box"), wall_ns=bench.clock.wall)

    known = replace(make.THRESHOLDS, prices=(*make.THRESHOLDS.prices, PRICE))
    bench = new_bench(sampler=sampler, thresholds=known, pages=(PAGE,), foreign=foreign)
    sampler.clock, bench.inbox = bench.clock.monotonic, inbox
    bench.do_pass()
    return bench


def send(bench, spans):
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "llm"
    scope = resource.scope_spans.add()
    offset = bench.clock.wall() - bench.clock.now
    for own, parent, name, begin, end, said, events in spans:
        one = scope.spans.add(
            name=name, kind=1, span_id=own.to_bytes(8, "big"), trace_id=(own >> 32).to_bytes(16, "big")
        )
        one.parent_span_id = parent.to_bytes(8, "big") if parent else b""
        one.start_time_unix_nano, one.end_time_unix_nano = begin + offset, end + offset
        for key, value in said.items():
            pair = one.attributes.add(key=key)
            if isinstance(value, str):
                pair.value.string_value = value
            else:
                pair.value.int_value = value
        for moment, size, prompts in events:
            event = one.events.add(name="schedule", time_unix_nano=moment + offset)
            event.attributes.add(key="batch_size").value.int_value = size
            event.attributes.add(key="forward_mode").value.string_value = "prefill" if prompts else "decode"
    body = request.SerializeToString()
    assert bench.inbox.put(incoming(request, len(body), near=True, port="otlp-grpc", body=body))


def played(bench, count=70, *, tells_batches=True):
    """The engine's requests, whose spans came as they ended, once all are settled; and the time of its steps."""
    # One that took long: from then on the ledger waits for those that come.
    warm = Asked(1 << 20, bench.clock.now - 30 * SECOND, 10, 2)
    warm.begins, warm.first, warm.ends = warm.arrives, warm.arrives + SECOND, bench.clock.now
    warm.loops, warm.events = [warm.ends], []
    send(bench, spans_of(warm, tells_batches=False))
    for _ in range(8):
        bench.do_pass(seconds=5)
    asked, worked = simulated(bench.clock.now, count)
    spans = sorted((span for one in asked for span in spans_of(one, tells_batches)), key=lambda span: span[4])
    while spans:
        bench.do_pass(seconds=0.5)
        due = [span for span in spans if span[4] < bench.clock.now]
        spans = spans[len(due) :]
        if due:
            send(bench, due)
    for _ in range(12):
        bench.do_pass(seconds=5)
    return asked, worked


def owed(bench):
    """Ns and method of each request."""
    rows = bench.rows("select span_id, device_ns, method from requests")
    return {span >> 32: (ns, method) for span, ns, method in rows}


def errors(bench, asked):
    found = owed(bench)
    return np.array([abs(found[one.number][0] - one.owes) / one.owes for one in asked])


def test_requests_owe_their_shapley_value_by_steps_that_their_spans_tell_of(host):
    asked, worked = played(host)
    found = owed(host)
    off = errors(host, asked)

    assert {found[one.number][1] for one in asked} == {int(Method.STEPS)}
    assert np.median(off) < 1e-5
    # Until 24 steps were seen a sequence weighs its tokens.
    assert np.quantile(off, 0.9) < 1e-5
    assert off.max() < 0.2
    assert sum(found[one.number][0] for one in asked) == pytest.approx(worked, rel=0.01)
    (account,) = [one for one in host.pipeline.ledger.accounts if one.device.name == GPU]
    assert account.residual == 0
    assert account.states[State.SYSTEM] == pytest.approx(0, abs=0.001 * worked)


def test_without_batches_in_its_spans_the_same_requests_share_by_weights(host):
    asked, _ = played(host, tells_batches=False)
    found = owed(host)

    assert int(Method.STEPS) not in {found[one.number][1] for one in asked}
    assert np.median(errors(host, asked)) > 0.05


def part(number, **more):
    return Part(worker=1, span_id=number, execute_id=number, **more)


def took(scheduled, end, size, whose, scheduler="one", device=GPU):
    return Took(scheduler, "engine", device, scheduled, end, size, whose)


def bounds(steps):
    return [(step.start, step.end, [one.span_id for one in step.parts]) for step in steps]


def test_a_batch_begins_when_the_one_before_is_done_and_ends_with_its_first_result():
    steps = EngineSteps()
    steps.add([took(15, 41, 2, part(1)), took(10, 30, 1, part(1)), took(15, 40, 2, part(2))])
    steps.add([took(12, 90, 1, part(3), scheduler="another")])

    found = steps.due(lambda _: 100)
    assert bounds(found) == [(10, 30, [1]), (12, 90, [3]), (30, 40, [1, 2])]
    assert len(steps) == 0


def test_batches_wait_until_their_device_is_about_to_be_settled():
    steps = EngineSteps()
    steps.add([took(10, 20, 2, part(1)), took(30, 40, 1, part(1))])
    assert steps.due(lambda _: 10) == []

    steps.add([took(10, 21, 2, part(2))])
    assert bounds(steps.due(lambda _: 11)) == [(10, 20, [1, 2])]
    assert bounds(steps.due(lambda _: 31)) == [(30, 40, [1])]


def test_members_that_nobody_told_of_count_as_the_mean_of_the_others():
    steps = EngineSteps()
    steps.add([took(10, 20, 4, part(1, context=100)), took(10, 20, 4, part(2, context=300))])
    (step,) = steps.due(lambda _: 100)

    assert [(one.span_id, one.context) for one in step.parts] == [(1, 100), (2, 300), (0, 200), (0, 200)]


def test_a_batch_ends_when_one_of_its_members_says_so_and_is_none_where_nobody_does():
    steps = EngineSteps()
    steps.add([took(10, 0, 2, part(1)), took(10, 20, 2, part(2)), took(30, 0, 1, part(1)), took(40, 50, 1, part(1))])

    assert bounds(steps.due(lambda _: 100)) == [(10, 20, [1, 2]), (40, 50, [1])]


def test_more_batches_than_there_is_room_for_go_on_as_they_are(monkeypatch):
    monkeypatch.setattr("inferometer_exporters.engine_steps.MOST", 2)
    steps = EngineSteps()
    steps.add([took(at, at + 5, 1, part(1)) for at in (10, 20, 30, 40)])

    assert bounds(steps.due(lambda _: 0)) == [(10, 15, [1]), (20, 25, [1])]
    assert len(steps) == 2


def test_bodies_that_tell_of_batches_are_known_by_their_bytes():
    assert {b"decode_loop", b"prefill_forward", b"chunked_prefill", b"forward_mode"} <= set(MARKS)
