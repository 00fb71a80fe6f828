"""The messages of OTLP's traces: bytes or JSON to protobuf's own objects, and answers back.

The one module that imports `opentelemetry.proto` and protobuf: a decoder in C that reads 1.5 million spans a second.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Final

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from inferometer.errors import WireError
from inferometer.otlp.read import Value
from inferometer.wire.varint import part

__all__ = [
    "Attributes",
    "ExportTraceServiceRequest",
    "KeyValue",
    "Resource",
    "ResourceSpans",
    "ScopeSpans",
    "Span",
    "answer_json",
    "answer_protobuf",
    "events",
    "failed",
    "from_json",
    "from_protobuf",
    "refusal_json",
    "refusal_protobuf",
    "wanted",
]

SERVER: Final = int(Span.SPAN_KIND_SERVER)
INTERNAL: Final = int(Span.SPAN_KIND_INTERNAL)
_IDS: Final = ("traceId", "spanId", "parentSpanId")
_DEEPEST: Final = 64
"""Nested values of attributes; protobuf's own decoder stops at 100 messages."""
_MESSAGE: Final = b"\x12"
"""Tag of ``google.rpc.Status.message``, the body of an OTLP/HTTP error."""


def from_protobuf(body: bytes) -> ExportTraceServiceRequest:
    """The request that *body* encodes.

    Raises:
        WireError: it is none.
    """
    try:
        return ExportTraceServiceRequest.FromString(body)  # type: ignore[no-any-return]  # protobuf has no types here
    except DecodeError as error:
        raise WireError(f"no ExportTraceServiceRequest: {error}") from error


def from_json(body: bytes) -> ExportTraceServiceRequest:
    """The request that *body* writes as OTLP/JSON, with ids in hexadecimal.

    Raises:
        WireError: it is none.
    """
    try:
        data = json.loads(body)
        if not isinstance(data, dict):
            raise WireError("no ExportTraceServiceRequest: a JSON object is right")
        for span in _spans(data):
            _in_base64(span)
        return json_format.ParseDict(  # type: ignore[no-any-return]  # protobuf has no types here
            data, ExportTraceServiceRequest(), ignore_unknown_fields=True, max_recursion_depth=_DEEPEST
        )
    # What JSON of another shape makes of these few lines is TypeError or AttributeError; depth makes RecursionError.
    except (ValueError, TypeError, AttributeError, RecursionError, json_format.Error) as error:
        raise WireError(f"no ExportTraceServiceRequest in JSON: {str(error)[:200]}") from error


def _spans(data: dict[str, object]) -> Iterator[dict[str, object]]:
    for resource in _objects(data, "resourceSpans"):
        for scope in _objects(resource, "scopeSpans"):
            yield from _objects(scope, "spans")


def _objects(data: dict[str, object], name: str) -> Iterator[dict[str, object]]:
    found = data.get(name)
    if isinstance(found, list):
        yield from (one for one in found if isinstance(one, dict))


def _in_base64(span: dict[str, object]) -> None:
    """OTLP writes ids in hexadecimal, protobuf's JSON reads bytes in base64."""
    for holder in (span, *_objects(span, "links")):
        for name in _IDS:
            text = holder.get(name)
            if isinstance(text, str):
                holder[name] = base64.b64encode(bytes.fromhex(text)).decode()


def answer_protobuf(rejected: int, why: str) -> bytes:
    """An ``ExportTraceServiceResponse``; a partial success where spans were rejected."""
    return bytes(_response(rejected, why).SerializeToString())


def answer_json(rejected: int, why: str) -> bytes:
    """The same in JSON."""
    return json.dumps(json_format.MessageToDict(_response(rejected, why))).encode()


def _response(rejected: int, why: str) -> ExportTraceServiceResponse:
    if not rejected:
        return ExportTraceServiceResponse()
    return ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(rejected_spans=rejected, error_message=why)
    )


def refusal_protobuf(why: str) -> bytes:
    """A ``google.rpc.Status``."""
    return part(_MESSAGE, why.encode("utf-8", "replace"))


def refusal_json(why: str) -> bytes:
    """The same in JSON."""
    return json.dumps({"message": why}).encode()


def failed(span: Span) -> bool:
    """Whether its status is ``ERROR``."""
    return span.status.code == Status.STATUS_CODE_ERROR


def events(span: Span) -> dict[str, int]:
    """Its events by name, ns since the epoch; of several with one name the last."""
    return {event.name: event.time_unix_nano for event in span.events}


class Attributes(Mapping[str, Value]):
    """Attributes of a span or a resource by name, each decoded when it is asked for: most are never."""

    def __init__(self, pairs: "Span | Resource") -> None:
        self._pairs: dict[str, KeyValue] = {pair.key: pair for pair in pairs.attributes}

    def __getitem__(self, name: str) -> Value:
        """The value of an attribute; a KeyError where it is not there, or no plain value."""
        value = self.plain(name)
        if value is None:
            raise KeyError(name)
        return value

    def plain(self, name: str) -> Value | None:
        """The value of an attribute; None where it is not there, or no plain value."""
        pair = self._pairs.get(name)
        return None if pair is None else _plain(pair.value)

    def __iter__(self) -> Iterator[str]:
        """All names."""
        return iter(self._pairs)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._pairs)


def wanted(span: Span, names: frozenset[str]) -> dict[str, Value]:
    """Those attributes of a span that have one of *names*; the others are not decoded."""
    found: dict[str, Value] = {}
    for pair in span.attributes:
        if (name := pair.key) in names:
            value = pair.value
            # Which of them it is only matters where both are empty.
            plain = value.int_value or value.string_value or _plain(value)
            if plain is not None:
                found[name] = plain
    return found


def _plain(value: AnyValue) -> Value | None:
    kind = value.WhichOneof("value")
    if kind in {"string_value", "bool_value", "int_value", "double_value"}:
        plain: Value = getattr(value, kind)
        return plain
    if kind == "array_value":
        return tuple(str(_plain(one)) for one in value.array_value.values)
    return None
