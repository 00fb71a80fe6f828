"""Names, kinds, status and attributes of spans; what is the same in many traces is encoded once and kept as bytes."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from inferometer.catalog import spans
from inferometer.catalog.jobs import JOB
from inferometer.catalog.rpc import GRPC, is_rpc_call, status_name
from inferometer.catalog.stages import FAILED, Kind, Outcome, Stage
from inferometer.otlp import rpc
from inferometer.otlp.fields import attribute, texts
from inferometer.otlp.generation import token_fields
from inferometer.otlp.kept import DeviceState, Kept, Outlay
from inferometer.record.model import Call, Labels, Moment
from inferometer.wire.varint import part

INTERNAL: Final = b"\x30\x01"
_SERVER: Final = b"\x30\x02"
_CLIENT: Final = b"\x30\x03"
_CONSUMER: Final = b"\x30\x05"
_ERROR: Final = b"\x7a\x02\x18\x02"
_CLIENT_ERROR: Final = 400
_NO_ANSWER: Final = "no_answer"
_GIVEN_UP: Final = frozenset({Outcome.TIMEOUT, Outcome.CANCELLED})
_MAX_SEGMENT_FIELDS: Final = 1024
ENCODED: Final[dict[int, bytes]] = {}
"""What `segment_fields` answered, by stage, kind and merged pieces: looked at first where a call costs too much."""
PICODOLLARS: Final = 10**12
MICROJOULES: Final = 10**6
NANOSECONDS: Final = 10**9


def segment_fields(stage: int, kind: int, merged: int) -> bytes:
    """Name, kind and attributes of a segment's span, as far as they are the same in every trace."""
    key = merged << 16 | stage << 8 | kind
    fields = ENCODED.get(key)
    if fields is None:
        if len(ENCODED) >= _MAX_SEGMENT_FIELDS:
            ENCODED.clear()
        fields = ENCODED[key] = _segment_fields(Stage(stage), Kind(kind), merged)
    return fields


def _segment_fields(stage: Stage, kind: Kind, merged: int) -> bytes:
    fields = [part(b"\x2a", spans.stage_span(stage).encode()), INTERNAL]
    if kind is not Kind.NONE:
        fields.append(attribute(spans.STAGE_KIND, kind.label))
    if merged > 1:
        fields.append(attribute(spans.STAGE_MERGED, merged))
    return b"".join(fields)


def _root_name(labels: Labels) -> str:
    if labels.method == GRPC:
        return rpc.span_name(labels.route)
    if labels.method == JOB:
        return labels.route
    return f"{labels.method} {labels.route}".strip() or labels.model or labels.service


@lru_cache(maxsize=4096)
def root_names(labels: Labels, outcome: Outcome, status: int, reason: str) -> bytes:
    """Name, kind, status and attributes of a request's span, as far as they are the same in many traces."""
    by_rpc = labels.method == GRPC
    is_job = labels.method == JOB
    fields = [part(b"\x2a", _root_name(labels).encode("utf-8", "replace")), _CONSUMER if is_job else _SERVER]
    by_http = not by_rpc and not is_job
    named = (
        (spans.HTTP_METHOD, labels.method if by_http else ""),
        (spans.HTTP_ROUTE, labels.route if by_http else ""),
        (spans.MODEL_NAME, labels.model),
        (spans.MODEL_VERSION, labels.version),
        (spans.TENANT, labels.tenant),
        (spans.CLASS, labels.request_class),
    )
    fields += [attribute(name, text) for name, text in named if text]
    if by_rpc:
        fields += rpc.fields(labels.route, status)
    elif status:
        fields.append(attribute(spans.HTTP_STATUS, status))
    fields.append(attribute(spans.OUTCOME, outcome.label))
    if outcome in FAILED:
        said = status_name(status) if by_rpc and status else str(status) if status >= _CLIENT_ERROR else outcome.label
        fields.append(attribute(spans.ERROR_TYPE, said))
        fields.append(_ERROR)
    fields.append(attribute(spans.KEEP, True))  # noqa: FBT003 - the value of an attribute
    fields.append(attribute(spans.KEEP_REASON, reason))
    return b"".join(fields)


def sizes(bytes_in: int, bytes_out: int) -> bytes:
    """Attributes of the bodies' sizes; none for an empty body."""
    request = _size(spans.HTTP_REQUEST_SIZE, bytes_in) if bytes_in else b""
    return request + _size(spans.HTTP_RESPONSE_SIZE, bytes_out) if bytes_out else request


_size: Final = lru_cache(maxsize=4096)(attribute)


def root_measures(kept: Kept) -> Iterator[bytes]:
    """Attributes of a request's own span that are its alone: sizes, times, tokens, cost."""
    record = kept.record
    yield sizes(record.bytes_in, record.bytes_out)
    if record.external_id:
        yield attribute(spans.EXTERNAL_ID, record.external_id)
    if record.proxy_wait_ns:
        yield attribute(spans.PROXY_WAIT, record.proxy_wait_ns / NANOSECONDS)
    first = record.first_chunk_ns
    if first is not None:
        yield attribute(spans.FIRST_CHUNK, first / NANOSECONDS)
    if record.tokens_in or record.tokens_out or record.stamps[Moment.FIRST_TOKEN]:
        yield from token_fields(record)
    if kept.outlay is not None:
        yield from _cost(kept.outlay)


def _cost(outlay: Outlay) -> Iterator[bytes]:
    scaled = (
        (spans.DEVICE_SECONDS, outlay.device_ns, NANOSECONDS),
        (spans.COST, outlay.cost_picodollars, PICODOLLARS),
        (spans.ENERGY, outlay.energy_microjoules, MICROJOULES),
    )
    for name, value, scale in scaled:
        if value is not None:
            yield attribute(name, value / scale)
    if outlay.method:
        yield attribute(spans.COST_METHOD, outlay.method)


def outlay_fields(outlay: Outlay) -> bytes:
    """What a request cost and how its device was, as attributes of one span."""
    state = () if outlay.state is None else (attribute(spans.DEVICE, outlay.state.device), *device_state(outlay.state))
    return b"".join((*_cost(outlay), *state))


def device_state(state: DeviceState) -> Iterator[bytes]:
    """Attributes of how a device was, those that are known."""
    throttled = None if state.throttled_ns is None else state.throttled_ns / NANOSECONDS
    known = (
        (spans.HOST_UTILIZATION if state.is_host else spans.GPU_UTILIZATION, state.utilization),
        (spans.GPU_SM_CLOCK, state.sm_clock_hertz),
        (spans.GPU_TEMPERATURE, state.temperature_celsius),
        (spans.THROTTLED, throttled),
    )
    for name, value in known:
        if value is not None:
            yield attribute(name, value)
    if state.throttle_reasons:
        yield texts(spans.GPU_THROTTLE, state.throttle_reasons)


def client_fields(call: Call) -> Iterator[bytes]:
    """Of an outgoing attempt, whose span begins when a connection was there; the wait before it is a segment."""
    yield part(b"\x2a", (call.method or call.target or "call").encode("utf-8", "replace"))
    yield _CLIENT
    if call.target:
        yield attribute(spans.SERVER_ADDRESS, call.target)
    lost = _NO_ANSWER if call.outcome not in _GIVEN_UP else call.outcome.label
    if is_rpc_call(call.method):
        failed = status_name(call.status) if call.status else "" if call.headers else lost
        yield from rpc.fields(call.method, call.status if call.status or call.headers else None)
    else:
        failed = str(call.status) if call.status >= _CLIENT_ERROR else "" if call.status else lost
        if call.method:
            yield attribute(spans.HTTP_METHOD, call.method)
        if call.status:
            yield attribute(spans.HTTP_STATUS, call.status)
        if call.attempt > 1:
            yield attribute(spans.HTTP_RESEND_COUNT, call.attempt - 1)
    if failed:
        yield attribute(spans.ERROR_TYPE, failed)
        if call.outcome is not None:
            yield attribute(spans.OUTCOME, call.outcome.label)
        # What its caller did not want any more, as the slower one of two hedges, has not failed.
        if call.outcome is not Outcome.CANCELLED:
            yield _ERROR
