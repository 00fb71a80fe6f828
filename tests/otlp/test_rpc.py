"""Spans of gRPC say what OpenTelemetry's conventions for RPC ask for, and nothing of HTTP."""

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.semconv._incubating.attributes import rpc_attributes

from inferometer.catalog import spans
from inferometer.catalog.rpc import GRPC, STATUS_NAMES, is_rpc_call, status_name
from inferometer.catalog.stages import Outcome
from inferometer.otlp import Kept, Resource, encode_trace
from inferometer.record.model import Call, Labels, Moment, RequestRecord
from inferometer.record.partition import partition

MS = 1_000_000


def encoded(*, route="test.Echo/Say", outcome=Outcome.OK, status=0, calls=()):
    stamps = [0] * len(Moment)
    stamps[Moment.ENTRY], stamps[Moment.DONE] = MS, 20 * MS
    record = RequestRecord(
        trace_id=1, span_id=2, labels=Labels(service="svc", model="m", method=GRPC, route=route), stamps=stamps,
        outcome=outcome, status=status, calls=calls,
    )  # fmt: skip
    kept = Kept(
        record=record, partition=partition(record), resource=Resource(service="svc", host="h", pid=1),
        wall_offset_ns=0, reason="slow",
    )  # fmt: skip
    (resource,) = ExportTraceServiceRequest.FromString(encode_trace(kept)[0]).resource_spans
    return list(resource.scope_spans[0].spans)


def attributes(span):
    return {pair.key: pair.value.string_value for pair in span.attributes if pair.value.HasField("string_value")}


def call(**changes):
    given = {"call_id": 7, "start": 2 * MS, "end": 9 * MS, "target": "there:1", "method": "other.Model/Run", **changes}
    return Call(**given)


def test_the_names_are_those_of_the_conventions():
    assert (spans.RPC_SYSTEM.name, spans.RPC_METHOD.name, spans.RPC_STATUS.name) == (
        rpc_attributes.RPC_SYSTEM_NAME, rpc_attributes.RPC_METHOD, rpc_attributes.RPC_RESPONSE_STATUS_CODE,
    )  # fmt: skip


def test_the_root_is_named_after_its_method():
    root, *_ = encoded()
    said = attributes(root)

    assert (root.name, root.kind, root.status.code) == (
        "test.Echo/Say",
        Span.SPAN_KIND_SERVER,
        Status.STATUS_CODE_UNSET,
    )
    assert {name: said[name] for name in said if name.startswith("rpc.")} == {
        spans.RPC_SYSTEM.name: "grpc",
        spans.RPC_METHOD.name: "test.Echo/Say",
        spans.RPC_STATUS.name: "OK",
    }
    assert {spans.HTTP_METHOD.name, spans.HTTP_ROUTE.name, spans.HTTP_STATUS.name}.isdisjoint(said)


@pytest.mark.parametrize(
    ("outcome", "status", "error"),
    [
        (Outcome.TIMEOUT, 4, "DEADLINE_EXCEEDED"),
        (Outcome.SERVER_ERROR, 13, "INTERNAL"),
        (Outcome.REJECTED, 8, "RESOURCE_EXHAUSTED"),
        (Outcome.CLIENT_ERROR, 5, None),
        (Outcome.CANCELLED, 1, None),
    ],
)
def test_an_error_is_named_by_its_status(outcome, status, error):
    root, *_ = encoded(outcome=outcome, status=status)
    said = attributes(root)

    assert said[spans.RPC_STATUS.name] == STATUS_NAMES[status]
    assert said.get(spans.ERROR_TYPE.name) == error
    assert (root.status.code == Status.STATUS_CODE_ERROR) is (error is not None)


def test_a_method_that_nobody_has_is_not_named():
    root, *_ = encoded(route="", outcome=Outcome.CLIENT_ERROR, status=12)

    assert root.name == "grpc"
    assert attributes(root)[spans.RPC_METHOD.name] == "_OTHER"


@pytest.mark.parametrize(
    ("made", "status", "error"),
    [
        (call(headers=9 * MS), "OK", None),
        (call(status=14), "UNAVAILABLE", "UNAVAILABLE"),
        (call(), None, "no_answer"),
    ],
    ids=["answered", "refused", "open"],
)
def test_an_attempt_is_a_client_span_of_its_method(made, status, error):
    client = next(span for span in encoded(calls=(made,)) if span.kind == Span.SPAN_KIND_CLIENT)
    said = attributes(client)

    assert client.name == said[spans.RPC_METHOD.name] == "other.Model/Run"
    assert said[spans.SERVER_ADDRESS.name] == "there:1"
    assert said.get(spans.RPC_STATUS.name) == status
    assert said.get(spans.ERROR_TYPE.name) == error
    assert {spans.HTTP_METHOD.name, spans.HTTP_STATUS.name}.isdisjoint(said)


def test_words_of_http_are_no_methods_of_grpc():
    assert [is_rpc_call(method) for method in ("GET", "", "a.B/C")] == [False, False, True]
    assert [status_name(code) for code in (0, 16, 17, -1)] == ["OK", "UNAUTHENTICATED", "UNKNOWN", "UNKNOWN"]
