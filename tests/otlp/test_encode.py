"""Hand-encoded spans, read back by OpenTelemetry's own protobuf classes."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from inferometer.catalog import spans
from inferometer.catalog.jobs import JOB
from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.otlp import DeviceState, Kept, Outlay, Resource, batch_ids, derived, encode_trace
from inferometer.otlp.fields import attribute
from inferometer.record.model import Batch, Flag, Interval, Labels, Moment, RequestRecord
from inferometer.record.partition import partition
from inferometer.wire.pod import Pod

MS = 1_000_000
BEGIN = 5_000 * MS
OFFSET = 1_700_000_000 * 10**9


def read(kept: Kept) -> list[Span]:
    data, number = encode_trace(kept)
    (resource,) = ExportTraceServiceRequest.FromString(data).resource_spans
    (scope,) = resource.scope_spans
    assert scope.scope.name == "inferometer"
    assert len(scope.spans) == number
    return list(scope.spans)


def value(any_value):
    kind = any_value.WhichOneof("value")
    found = getattr(any_value, kind)
    return [value(item) for item in found.values] if kind == "array_value" else found


def attributes(span) -> dict[str, object]:
    assert len({pair.key for pair in span.attributes}) == len(span.attributes), "an attribute is said once"
    return {pair.key: value(pair.value) for pair in span.attributes}


OF_BATCHES = {spans.BATCH_SPAN, spans.BATCH_MEMBER_SPAN}


def named(found: list[Span], name: str) -> list[Span]:
    return [span for span in found if span.name == name]


def test_the_root_is_a_server_span_with_the_stable_http_names(kept):
    root, *children = read(kept())

    assert (root.name, root.kind) == ("POST /predict", Span.SPAN_KIND_SERVER)
    assert root.trace_id == (0x1234 << 64 | 0x5678).to_bytes(16)
    assert root.span_id == (0xABCD).to_bytes(8)
    assert root.parent_span_id == (0x99).to_bytes(8)
    assert (root.start_time_unix_nano, root.end_time_unix_nano) == (BEGIN + OFFSET, BEGIN + 20 * MS + OFFSET)
    assert attributes(root) == {
        spans.HTTP_METHOD.name: "POST",
        spans.HTTP_ROUTE.name: "/predict",
        spans.HTTP_STATUS.name: 200,
        spans.HTTP_REQUEST_SIZE.name: 100,
        spans.HTTP_RESPONSE_SIZE.name: 300,
        spans.MODEL_NAME.name: "minilm",
        spans.MODEL_VERSION.name: "3",
        spans.TENANT.name: "acme",
        spans.CLASS.name: "interactive",
        spans.OUTCOME.name: "ok",
        spans.KEEP.name: True,
        spans.KEEP_REASON.name: "slow",
    }
    own = [span for span in children if span.name not in OF_BATCHES]
    assert {span.trace_id for span in own} == {root.trace_id}
    assert {span.parent_span_id for span in own} == {root.span_id}


def test_the_resource_is_the_process(kept):
    data, _ = encode_trace(kept())

    (resource,) = ExportTraceServiceRequest.FromString(data).resource_spans

    assert attributes(resource.resource) == {
        spans.SERVICE_NAME.name: "svc",
        spans.HOST_NAME.name: "box",
        spans.PROCESS_PID.name: 42,
        spans.REGION.name: "eu",
    }


def test_the_resource_says_the_pod_as_far_as_it_is_known(kept):
    pod = Pod(namespace="ml", name="llm-0", node="node-1", container_id="4f2a")
    data, _ = encode_trace(kept(resource=Resource(service="svc", host="box", pid=42, pod=pod)))

    (resource,) = ExportTraceServiceRequest.FromString(data).resource_spans
    assert attributes(resource.resource) == {
        spans.SERVICE_NAME.name: "svc",
        spans.HOST_NAME.name: "box",
        spans.PROCESS_PID.name: 42,
        "k8s.namespace.name": "ml",
        "k8s.pod.name": "llm-0",
        "k8s.node.name": "node-1",
        "container.id": "4f2a",
    }


def test_several_requests_joined_are_one_request(kept):
    one, number = encode_trace(kept())
    joined = ExportTraceServiceRequest.FromString(one + one)

    assert len(joined.resource_spans) == 2
    assert sum(len(scope.spans) for r in joined.resource_spans for scope in r.scope_spans) == 2 * number


def test_segments_are_children_one_microsecond_apart(kept):
    made = kept()
    found = [s for s in read(made)[1:] if s.kind == Span.SPAN_KIND_INTERNAL and s.name not in OF_BATCHES]
    away = {Stage.REMOTE}
    expected = [
        segment for segment in made.partition.segments if segment.stage not in away and segment.kind is not Kind.TRANSIT
    ]

    assert [span.name for span in found] == [spans.stage_span(segment.stage) for segment in expected]
    for span, segment in zip(found, expected, strict=True):
        assert span.start_time_unix_nano == segment.start + OFFSET
        assert span.end_time_unix_nano == segment.end + OFFSET - 1_000


def test_a_call_stands_in_the_place_of_its_remote_and_transit_segments(kept):
    found = read(kept())

    (client,) = [span for span in found if span.kind == Span.SPAN_KIND_CLIENT]

    assert client.name == "POST"
    assert client.span_id == (0xCA11).to_bytes(8), "the id that went out in traceparent"
    assert client.start_time_unix_nano == BEGIN + 6 * MS + OFFSET
    assert client.end_time_unix_nano == BEGIN + 9 * MS + OFFSET - 1_000
    assert attributes(client)[spans.SERVER_ADDRESS.name] == "embedder:8001"
    assert not named(found, spans.stage_span(Stage.REMOTE))
    (pool,) = named(found, spans.stage_span(Stage.QUEUE))
    assert attributes(pool)[spans.STAGE_KIND.name] == "pool", "the wait for a connection stays a segment"


def test_a_remote_segment_without_a_call_stays_a_child(kept, record):
    marked = Interval(start=BEGIN + 3 * MS, end=BEGIN + 4 * MS, stage=Stage.REMOTE, kind=Kind.DEPENDENCY)

    (remote,) = named(read(kept(record(calls=(), intervals=(marked,)))), spans.stage_span(Stage.REMOTE))

    assert attributes(remote) == {spans.STAGE_KIND.name: "dependency"}


def test_a_call_without_an_answer_is_an_error(kept, record):
    (call,) = record().calls

    found = read(kept(record(calls=(replace(call, status=0, headers=0, server_ns=0),))))

    (client,) = [span for span in found if span.kind == Span.SPAN_KIND_CLIENT]
    assert client.status.code == Status.STATUS_CODE_ERROR
    assert attributes(client)[spans.ERROR_TYPE.name] == "no_answer"


@pytest.mark.parametrize(
    ("outcome", "error", "status"),
    [
        (Outcome.TIMEOUT, "timeout", Status.STATUS_CODE_ERROR),
        (Outcome.CANCELLED, "cancelled", Status.STATUS_CODE_UNSET),
        (Outcome.SERVER_ERROR, "no_answer", Status.STATUS_CODE_ERROR),
    ],
    ids=["timed out", "cancelled", "refused"],
)
def test_a_call_that_timed_out_is_no_cancelled_one(kept, record, outcome, error, status):
    (call,) = record().calls
    lost = replace(call, status=0, headers=0, server_ns=0, outcome=outcome)

    (client,) = [span for span in read(kept(record(calls=(lost,)))) if span.kind == Span.SPAN_KIND_CLIENT]

    said = attributes(client)
    assert (said[spans.ERROR_TYPE.name], said[spans.OUTCOME.name]) == (error, outcome.label)
    assert client.status.code == status


def test_a_call_that_was_sent_again_says_how_often(kept, record):
    (call,) = record().calls
    again = replace(call, call_id=7, attempt=3)

    first, third = (span for span in read(kept(record(calls=(call, again)))) if span.kind == Span.SPAN_KIND_CLIENT)

    assert spans.HTTP_RESEND_COUNT.name not in attributes(first)
    assert attributes(third)[spans.HTTP_RESEND_COUNT.name] == 2


def test_what_the_application_opened_itself_is_a_consumer_and_no_http(kept, record):
    root = read(kept(record(labels=replace(record().labels, method=JOB, route="rank"), status=0)))[0]

    assert (root.name, root.kind) == ("rank", Span.SPAN_KIND_CONSUMER)
    assert {spans.HTTP_METHOD.name, spans.HTTP_ROUTE.name, spans.HTTP_STATUS.name}.isdisjoint(attributes(root))


def test_an_execute_names_its_device_and_links_to_its_batch(kept):
    found = read(kept())
    (execute,) = named(found, spans.stage_span(Stage.EXECUTE))
    (batch,) = named(found, spans.BATCH_SPAN)

    assert attributes(execute) == {
        spans.STAGE_KIND.name: "batch",
        spans.DEVICE.name: "cpu",
        spans.BATCH_SIZE.name: 4,
    }
    assert [(link.trace_id, link.span_id) for link in execute.links] == [(batch.trace_id, batch.span_id)]
    assert batch.trace_id != execute.trace_id, "a batch belongs to no single request"


def test_each_member_of_a_batch_has_a_span_below_it_that_links_to_the_request(kept, record):
    both = [read(kept(record(span_id=number, trace_id=number << 64))) for number in (0xABCD, 0xABCE)]
    batches = [named(found, spans.BATCH_SPAN)[0] for found in both]
    members = [named(found, spans.BATCH_MEMBER_SPAN)[0] for found in both]

    assert batches[0] == batches[1], "a store keeps one of them"
    assert not batches[0].links, "a link of a span without a parent breaks the critical path in Jaeger's UI"
    for found, member in zip(both, members, strict=True):
        assert (member.trace_id, member.parent_span_id) == (batches[0].trace_id, batches[0].span_id)
        assert [(link.trace_id, link.span_id) for link in member.links] == [(found[0].trace_id, found[0].span_id)]
        assert attributes(member) == {spans.TENANT.name: "acme"}
    assert members[0].span_id != members[1].span_id


def test_a_batch_that_is_known_says_why_it_was_closed(kept, record):
    batch = Batch(
        batch_id=55, labels=record().labels, opened=BEGIN, start=BEGIN + 9 * MS, end=BEGIN + 17 * MS, size=4,
        capacity=8, reason="timeout",
    )  # fmt: skip

    (span,) = named(read(kept(batches={55: batch})), spans.BATCH_SPAN)

    assert attributes(span)[spans.BATCH_REASON.name] == "timeout"
    assert span.start_time_unix_nano == BEGIN + 9 * MS + OFFSET


def test_cost_and_device_state_are_said_where_they_are_known(kept):
    outlay = Outlay(
        device_ns=1_500_000, cost_picodollars=83_000_000, energy_microjoules=250_000, method="sweep",
        state=DeviceState(
            device="cpu", utilization=0.75, sm_clock_hertz=1.4e9, temperature_celsius=71.0,
            throttle_reasons=("thermal", "power_cap"), throttled_ns=500_000,
        ),
    )  # fmt: skip

    found = read(kept(outlay=outlay))

    root = attributes(found[0])
    assert root[spans.DEVICE_SECONDS.name] == 0.0015
    assert root[spans.COST.name] == 0.000083
    assert root[spans.ENERGY.name] == 0.25
    assert root[spans.COST_METHOD.name] == "sweep"
    execute = attributes(named(found, spans.stage_span(Stage.EXECUTE))[0])
    assert execute[spans.GPU_UTILIZATION.name] == 0.75
    assert execute[spans.GPU_SM_CLOCK.name] == 1.4e9
    assert execute[spans.GPU_TEMPERATURE.name] == 71.0
    assert execute[spans.GPU_THROTTLE.name] == ["thermal", "power_cap"]
    assert execute[spans.THROTTLED.name] == 0.0005


def test_a_cpu_host_has_a_utilization_of_its_own_name(kept, record):
    device = record().executes[0].device
    found = read(kept(outlay=Outlay(state=DeviceState(device=device, is_host=True, utilization=0.5, throttled_ns=0))))

    execute = attributes(named(found, spans.stage_span(Stage.EXECUTE))[0])
    assert execute[spans.HOST_UTILIZATION.name] == 0.5
    assert execute[spans.THROTTLED.name] == 0
    assert spans.GPU_UTILIZATION.name not in execute


def test_a_run_on_another_device_than_the_one_that_was_read_says_nothing_of_it(kept):
    found = read(kept(outlay=Outlay(state=DeviceState(device="GPU-9", utilization=0.5))))

    assert spans.GPU_UTILIZATION.name not in attributes(named(found, spans.stage_span(Stage.EXECUTE))[0])


def test_what_proxy_and_caller_say_is_said(kept, record):
    root, *_ = read(kept(record(external_id="req-7", proxy_wait_ns=250_000_000)))

    assert attributes(root)[spans.EXTERNAL_ID.name] == "req-7"
    assert attributes(root)[spans.PROXY_WAIT.name] == 0.25
    # A foreign clock is outside of the duration.
    assert root.end_time_unix_nano - root.start_time_unix_nano == record().duration_ns
    plain, *_ = read(kept())
    assert not {spans.EXTERNAL_ID.name, spans.PROXY_WAIT.name} & attributes(plain).keys()


def test_what_is_not_known_is_absent(kept):
    root, *_ = read(kept(outlay=Outlay()))

    assert not {spans.COST.name, spans.DEVICE_SECONDS.name, spans.ENERGY.name} & attributes(root).keys()


def test_a_failed_request_is_an_error_and_a_client_error_is_not(kept, record):
    failed, *_ = read(kept(record(outcome=Outcome.SERVER_ERROR, status=503)))
    timed_out, *_ = read(kept(record(outcome=Outcome.TIMEOUT, status=0)))
    client_error, *_ = read(kept(record(outcome=Outcome.CLIENT_ERROR, status=404)))

    assert failed.status.code == timed_out.status.code == Status.STATUS_CODE_ERROR
    assert attributes(failed)[spans.ERROR_TYPE.name] == "503"
    assert attributes(timed_out)[spans.ERROR_TYPE.name] == "timeout"
    assert spans.HTTP_STATUS.name not in attributes(timed_out)
    assert client_error.status.code == Status.STATUS_CODE_UNSET


def test_the_time_to_the_first_chunk_of_a_stream_is_said(kept, record):
    stamps = list(record().stamps)
    stamps[Moment.FIRST_CHUNK] = BEGIN + 4 * MS

    root, *_ = read(kept(record(stamps=tuple(stamps), flags=Flag.STREAM)))

    assert attributes(root)[spans.FIRST_CHUNK.name] == 0.004


def test_a_request_with_tokens_says_them_by_the_names_for_generative_ai(kept, record):
    stamps = list(record().stamps)
    stamps[Moment.FIRST_CHUNK], stamps[Moment.FIRST_TOKEN] = BEGIN + 4 * MS, BEGIN + 5 * MS
    labels = replace(record().labels, route="/v1/chat/completions")
    root, *_ = read(
        kept(record(
            stamps=stamps, last_token=BEGIN + 17 * MS, tokens_in=9, tokens_out=5, labels=labels, flags=Flag.STREAM
        ))
    )  # fmt: skip
    said = attributes(root)

    assert said[spans.GEN_AI_OPERATION.name] == "chat"
    assert said[spans.GEN_AI_RESPONSE_MODEL.name] == "minilm"
    assert (said[spans.GEN_AI_INPUT_TOKENS.name], said[spans.GEN_AI_OUTPUT_TOKENS.name]) == (9, 5)
    assert (said[spans.GEN_AI_FIRST_CHUNK.name], said[spans.FIRST_TOKEN.name]) == (0.004, 0.005)
    assert said[spans.TIME_PER_OUTPUT_TOKEN.name] == 0.003


def test_what_is_not_known_of_tokens_is_absent(kept, record):
    root, *_ = read(kept(record(tokens_in=9)))
    said = {name for name in attributes(root) if "token" in name or name.startswith("gen_ai.")}

    assert said == {spans.GEN_AI_RESPONSE_MODEL.name, spans.GEN_AI_INPUT_TOKENS.name}


def test_an_export_that_is_repeated_is_the_same_bytes(kept):
    assert encode_trace(kept()) == encode_trace(kept())


def test_names_that_are_no_unicode_do_no_harm(kept, record):
    labels = replace(record().labels, model="bad \udcff name", route="/\udcff")

    root, *_ = read(kept(record(labels=labels)))

    assert attributes(root)[spans.MODEL_NAME.name] == "bad ? name"


TIMES = st.integers(0, 40 * MS)
MARKS = st.lists(st.tuples(TIMES, TIMES, st.sampled_from(list(Stage))), max_size=30)


@given(MARKS)
def test_children_never_overlap_touch_or_leave_the_root(marks):
    stamps = [0] * len(Moment)
    stamps[Moment.ENTRY], stamps[Moment.LAST] = BEGIN, BEGIN + 40 * MS
    record = RequestRecord(
        trace_id=1, span_id=2, labels=Labels(service="s", model="m"), stamps=stamps, outcome=Outcome.OK,
        intervals=tuple(Interval(start=BEGIN + a, end=BEGIN + b, stage=stage) for a, b, stage in marks),
    )  # fmt: skip
    divided = partition(record)
    resource = Resource(service="s", host="h", pid=1)

    root, *children = read(
        Kept(record=record, partition=divided, resource=resource, wall_offset_ns=OFFSET, reason="slow")
    )

    for segment, span in zip(divided.segments, children, strict=True):
        assert root.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= max(root.end_time_unix_nano - 1_000, span.start_time_unix_nano)
        assert span.start_time_unix_nano - OFFSET == segment.start
        assert segment.end - (span.end_time_unix_nano - OFFSET) <= 1_000
    assert len({span.span_id for span in (root, *children)}) == len(children) + 1


@given(st.integers(0, 2**64 - 1), st.integers(0, 1000))
def test_a_derived_id_is_a_valid_span_id_and_always_the_same(identity, index):
    assert 0 < derived(identity, index) < 1 << 64
    assert derived(identity, index) == derived(identity, index)
    assert 0 < batch_ids(identity)[0] < 1 << 128


@given(
    st.one_of(
        st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(alphabet=st.characters())
    )
)
def test_every_value_of_an_attribute_comes_back(given_value):
    span = Span.FromString(attribute(spans.OUTCOME, given_value))

    (found,) = attributes(span).values()
    if isinstance(given_value, str):
        assert found == given_value.encode("utf-8", "replace").decode()
    else:
        assert type(found) is type(given_value)
        assert found == given_value or math.isclose(found, given_value)


def test_a_call_whose_span_is_somebody_elses_leaves_its_time_to_the_stages(kept, record):
    (call,) = record().calls
    spans_ = read(kept(record(calls=(replace(call, foreign=True),))))

    assert [span for span in spans_ if span.kind == Span.SPAN_KIND_CLIENT] == []
    assert {"inference.remote", "inference.network"} <= {span.name for span in spans_}
