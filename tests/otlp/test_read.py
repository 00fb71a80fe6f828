"""Spans read back from what was encoded, compared with OpenTelemetry's own classes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from inferometer.errors import WireError
from inferometer.otlp import encode_trace
from inferometer.otlp.kept import DeviceState, Outlay
from inferometer.otlp.read import fields, read_spans

OUTLAY = Outlay(
    device_ns=5, cost_picodollars=7, energy_microjoules=11, method="sweep",
    state=DeviceState(
        device="cpu", utilization=0.5, sm_clock_hertz=1e9, temperature_celsius=61.0,
        throttle_reasons=("thermal", "power_cap"), throttled_ns=13,
    ),
)  # fmt: skip


def held(value):
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return tuple(one.string_value for one in value.array_value.values)
    return getattr(value, kind)


def test_what_is_read_back_is_what_was_encoded(kept):
    data, number = encode_trace(kept(outlay=OUTLAY))
    expected = [
        span
        for resource in ExportTraceServiceRequest.FromString(data).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    found = list(read_spans(data))

    assert len(found) == len(expected) == number
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.trace_id == int.from_bytes(theirs.trace_id, "big")
        assert mine.span_id == int.from_bytes(theirs.span_id, "big")
        assert mine.parent_id == int.from_bytes(theirs.parent_span_id, "big")
        assert (mine.name, mine.kind) == (theirs.name, theirs.kind)
        assert (mine.start_ns, mine.end_ns) == (theirs.start_time_unix_nano, theirs.end_time_unix_nano)
        assert mine.attributes == {pair.key: held(pair.value) for pair in theirs.attributes}
        links = [(int.from_bytes(x.trace_id, "big"), int.from_bytes(x.span_id, "big")) for x in theirs.links]
        assert mine.links == links
        assert mine.failed == (theirs.status.code == Status.STATUS_CODE_ERROR)


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_what_was_cut_is_refused(kept, cut):
    data, _ = encode_trace(kept())

    with pytest.raises(WireError):
        list(read_spans(data[:-cut]))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(data):
    try:
        list(fields(data))
        list(read_spans(data))
    except WireError:
        return
