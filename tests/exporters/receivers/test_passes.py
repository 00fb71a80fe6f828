"""Batches of SGLang from its spans, written by its own tracing code (tests/data/engine_spans/SOURCES.md)."""

import json
from pathlib import Path

import pytest

from inferometer.catalog.labels import PORT
from inferometer.fleet.thresholds import NOTHING
from inferometer_exporters.engine_steps import EngineSteps
from inferometer_exporters.naming import Naming
from inferometer_exporters.receivers import messages, passes
from inferometer_exporters.receivers.enrichment import Home
from inferometer_exporters.receivers.foreign import Foreign
from inferometer_exporters.receivers.inbox import Inbox
from inferometer_exporters.receivers.taking import Taking
from inferometer_exporters.recorder.store import Recorder
from inferometer_exporters.tally import Tally

FOLDER = Path(__file__).parents[2] / "data/engine_spans"
SECOND = 10**9
BOOT = 1_789_000_000 * SECOND
"""Wall time at which the clock of the spans' machine began."""
LATEST = 1 << 62
LAG = 600_000
"""Ns by which the scheduler of these spans looks at a result after it is there, and puts batches together."""


@pytest.fixture
def steps_of(tmp_path):
    """The steps that spans tell of, by the wall clock; *edit* may change each span before, None drops it."""
    recorder = Recorder(tmp_path / "recorder.duckdb")

    def made(name, *, edit=lambda span: span, bodies=1):
        inbox, naming = Inbox(1 << 30), Naming(recorder, NOTHING)
        now = (1_790_002_000 * SECOND) - BOOT
        foreign = Foreign(inbox, recorder, naming, home=Home(host="box"), wall_ns=lambda: BOOT + now)
        taking = Taking(inbox, Tally(), PORT.values[3])
        message = messages.from_json((FOLDER / name).read_bytes())
        (resource,) = message.resource_spans
        (scope,) = resource.scope_spans
        spans = [span for span in map(edit, scope.spans) if span is not None]
        took = []
        for number in range(bodies):
            part = spans[len(spans) * number // bodies : len(spans) * (number + 1) // bodies]
            body = messages.ExportTraceServiceRequest()
            body.resource_spans.add().resource.CopyFrom(resource.resource)
            body.resource_spans[0].scope_spans.add().spans.extend(part)
            taking.take(body.SerializeToString(), messages.from_protobuf, near=True)
            took += foreign.release(now, 0, place=lambda *_: "GPU-1", everything=True).took
        steps = EngineSteps()
        steps.add(took)
        made.foreign.append(foreign)
        return steps.due(lambda _: LATEST)

    made.foreign = []
    yield made
    recorder.close()


def truth(name):
    """Batches on the device: begin, end, and of each member whose result was used (id, prompt tokens, context)."""
    found = []
    for begin, end, members in json.loads((FOLDER / f"{name}-steps.json").read_text()):
        used = {rid: (prefill, context) for rid, prefill, context, counts in members if counts}
        if used:
            found.append((begin, end, used, len(members)))
    return found


def all_of(name):
    (resource,) = messages.from_json((FOLDER / name).read_bytes()).resource_spans
    return resource.scope_spans[0].spans


def roots_of(name):
    """The root of each request, with its id."""
    for span in all_of(name):
        rid = next((pair.value.string_value for pair in span.attributes if pair.key == "rid"), "")
        if rid:
            yield span, rid[:8]


def ids(name):
    """The id of each request by the span id of its root."""
    return {int.from_bytes(span.span_id, "big"): rid for span, rid in roots_of(name)}


def traces(name):
    """The same by its trace."""
    return {span.trace_id: rid for span, rid in roots_of(name)}


@pytest.mark.parametrize("name", ["sglang-0.5.23", "sglang-0.5.23-one-at-a-time"])
@pytest.mark.parametrize("bodies", [1, 12])
def test_batches_are_those_that_ran_with_their_members_and_their_time(steps_of, name, bodies):
    """Of a scheduler that puts the next batch together while one runs, and of one that does not."""
    steps, roots, expected = steps_of(f"{name}.json", bodies=bodies), ids(f"{name}.json"), truth(name)

    assert len(steps) == len(expected) > 8
    for step, (begin, end, used, size) in zip(steps, expected, strict=True):
        assert step.start + BOOT == pytest.approx(begin, abs=LAG)
        assert step.end + BOOT == pytest.approx(end, abs=LAG)
        assert len(step.parts) == size
        told = {roots[part.span_id]: (part.prefill, part.context) for part in step.parts if part.span_id}
        assert told.keys() == used.keys()
        for rid, (prefill, context) in used.items():
            assert told[rid] == (prefill, pytest.approx(context, abs=1))


@pytest.mark.parametrize(("lost", "number"), [("decode_loop", 0), ("decode_loop", 2), ("chunked_prefill", 0),
                                              ("chunked_prefill", 1), ("prefill_forward", 3)])  # fmt: skip
def test_of_a_request_of_which_a_span_is_missing_no_batch_is_guessed(steps_of, lost, number):
    """What is missing may have been the first or the last: whose batch was whose is not known then."""
    name, seen, dropped = "sglang-0.5.23.json", [], []

    def without_one(span):
        if span.name == lost:
            seen.append(span.trace_id)
            if len(seen) == number + 1:
                dropped.append(span.trace_id)
                return None
        return span

    steps = steps_of(name, edit=without_one)
    (whose,) = {span for span, rid in ids(name).items() if rid == traces(name)[dropped[0]]}
    decoded = [part.span_id for step in steps for part in step.parts if part.decodes]
    prefilled = {part.span_id for step in steps for part in step.parts if not part.decodes}

    assert whose not in decoded
    assert (whose in prefilled) == (lost == "decode_loop")
    # The batches that it was in count it as somebody whom nobody told of.
    assert decoded.count(0) > 1


def test_tokens_in_a_batch_with_prompts_of_others_have_its_end_from_them(steps_of):
    """``--enable-mixed-chunk``: of such a batch a request that decodes has an event and no span."""
    name, expected = "sglang-0.5.23.json", truth("sglang-0.5.23")
    (whose,) = expected[0][2]
    begin, end = next(one[:2] for one in expected if len(one[2]) == 3 and all(prompt for prompt, _ in one[2].values()))
    (event, *_) = [
        event for span in all_of(name) for event in span.events if abs(event.time_unix_nano - begin) < (end - begin)
        and {"prefill"} < {pair.value.string_value for pair in event.attributes}
        and {3} < {pair.value.int_value for pair in event.attributes}
    ]  # fmt: skip

    def edit(span):
        if span.name == "decode_forward" and traces(name)[span.trace_id] == whose:
            span.events.add().CopyFrom(event)
        return span

    roots = ids(name)
    (mixed,) = [step for step in steps_of(name, edit=edit) if abs(step.end + BOOT - end) < LAG]
    decoding = [roots[part.span_id] for part in mixed.parts if part.decodes]

    assert decoding == [whose]
    assert mixed.start + BOOT == pytest.approx(begin, abs=LAG)


@pytest.mark.parametrize("change", ["retracted", "[PP 1]", "[DP 1]"])
def test_what_could_only_be_guessed_is_not_told(steps_of, change):
    """After a retraction, of stages of a pipeline, of ranks that share the data."""

    def edit(span):
        if change == "retracted" and span.name == "decode_loop":
            span.events.add(name="retract", time_unix_nano=span.start_time_unix_nano)
        span.name = span.name.replace("[PP 0]", change)
        return span

    found = steps_of("sglang-0.5.23.json", edit=edit)
    # Of requests of one token there is no such span.
    assert all(not part.span_id or not part.decodes for step in found for part in step.parts)


def test_no_more_is_kept_than_there_is_room_for_and_nothing_of_requests_that_were_made(steps_of, monkeypatch):
    steps_of("sglang-0.5.23.json", bodies=3)
    assert len(steps_of.foreign[-1]._passes) == 0

    monkeypatch.setattr(passes, "MOST", 100)
    found = steps_of("sglang-0.5.23.json", edit=lambda span: span if span.parent_span_id else None)
    assert found == []
    assert 0 < len(steps_of.foreign[-1]._passes) <= 100
