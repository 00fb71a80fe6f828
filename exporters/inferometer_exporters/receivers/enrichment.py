"""What spans of others are told on their way through: their host, and what their request cost where."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import numpy as np

from inferometer.catalog import spans
from inferometer.otlp.fields import attribute, pair
from inferometer.otlp.read import Value
from inferometer.otlp.span_fields import outlay_fields
from inferometer.wire.varint import part
from inferometer_exporters.receivers import engine_starts
from inferometer_exporters.receivers.messages import Attributes, Resource
from inferometer_exporters.recorder.hops import outlay_of

UNKNOWN_SERVICE: Final = "unknown_service"
"""OpenTelemetry's name for a service that does not say its own."""
_MAX_NAME: Final = 200
_DETAILS: Final = """
    select r.span_id, labels.model, labels.version, r.device_ns, r.cost, r.energy, r.method, r.device, r.utilization,
           r.sm_clock, r.temperature, r.throttle, r.throttled_ns
    from requests r join owner on owner.span_id = r.span_id left join labels on labels.id = r.labels
    where r.wall_ns >= $since
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """This host: of spans that were sent from it."""

    host: str
    region: str = ""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who made spans, by their resource."""

    service: str
    host: str
    region: str
    pid: int
    starting: bool = False
    """An engine that traces its own start."""


def completed(resource: Resource, home: Home | None) -> Sender:
    """Add to a resource what is missing and known, and say who it is.

    Args:
        resource: of spans; modified.
        home: where they come from; None where that is not known.
    """
    said = Attributes(resource)
    service = _text(said, spans.SERVICE_NAME.name)
    host, region = _text(said, spans.HOST_NAME.name), _text(said, spans.REGION.name)
    missing = []
    if not service:
        service = UNKNOWN_SERVICE
        missing.append(pair(spans.SERVICE_NAME, service))
    if not host and home is not None:
        host = home.host
        missing.append(pair(spans.HOST_NAME, host))
    if not region and home is not None and home.region:
        region = home.region
        missing.append(pair(spans.REGION, region))
    if missing:
        resource.MergeFromString(b"".join(part(b"\x0a", one) for one in missing))
    pid = said.get(spans.PROCESS_PID.name)
    known_pid = isinstance(pid, int) and 0 < pid < 1 << 32
    number = int(str(pid)) if known_pid else 0
    return Sender(service[:_MAX_NAME], host[:_MAX_NAME], region[:_MAX_NAME], number, engine_starts.MARK in said)


def _text(said: Mapping[str, Value], name: str) -> str:
    value = said.get(name)
    return value if isinstance(value, str) else ""


def details(
    cursor: duckdb.DuckDBPyConnection,
    requests: Iterable[int],
    since_ns: int,
    text: Callable[[int], str],
    host: str,
) -> dict[int, bytes]:
    """Encoded attributes for spans of each of *requests* (span ids).

    Args:
        cursor: of the recorder.
        requests: span ids.
        since_ns: wall time before which none of them began.
        text: the recorder's string by its number.
        host: name of this host as a device.
    """
    ids = np.array(sorted(requests), np.uint64)
    if not len(ids):
        return {}
    cursor.register("owner", {"span_id": ids})
    rows = cursor.execute(_DETAILS, {"since": since_ns}).fetchall()
    cursor.unregister("owner")
    return {int(row[0]): _encoded(row, text, host) for row in rows}


def _encoded(row: tuple[Any, ...], text: Callable[[int], str], host: str) -> bytes:
    span, model, version, *measured = row
    named = (
        (spans.REQUEST_SPAN, f"{span:016x}"),
        (spans.MODEL_NAME, model or ""),
        (spans.MODEL_VERSION, version or ""),
    )
    fields = b"".join(attribute(name, value) for name, value in named if value)
    outlay = outlay_of(tuple(measured), text, host)
    # Nothing of it ran on a device that we know: what it cost is not known either.
    return fields + outlay_fields(outlay) if outlay.method else fields
