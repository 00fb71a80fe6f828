"""Tables of the flight recorder. Columns are only ever added at the end of a table, with a new version."""

from typing import Final

from inferometer.catalog.stages import Stage

VERSION: Final = 8

STAGE_COLUMNS: Final = tuple(f"{stage.label}_ns" for stage in Stage)

REQUESTS: Final[dict[str, str]] = {
    "pass": "UBIGINT",  # pass of the Intake that brought the row
    "trace_hi": "UBIGINT",
    "trace_lo": "UBIGINT",
    "span_id": "UBIGINT",
    "parent_id": "UBIGINT",  # call_id of the caller's attempt, 0 without one
    "start_ns": "BIGINT",  # CLOCK_MONOTONIC
    "wall_ns": "BIGINT",  # the same moment since the epoch
    "duration_ns": "BIGINT",
    **dict.fromkeys(STAGE_COLUMNS, "BIGINT"),
    "segments": "BIGINT[]",  # columns.segments
    "first_chunk_ns": "BIGINT",  # since the start; null where it did not come
    "first_token_ns": "BIGINT",
    "proxy_wait_ns": "BIGINT",
    "labels": "UINTEGER",
    "process": "UINTEGER",
    "outcome": "UTINYINT",
    "status": "USMALLINT",
    "flags": "UTINYINT",
    "bytes_in": "BIGINT",
    "bytes_out": "BIGINT",
    "chunks": "UINTEGER",
    "tokens_in": "UINTEGER",
    "tokens_out": "UINTEGER",
    "device": "UINTEGER",  # of the longest run; 0 without one
    "batch_id": "UBIGINT",
    "batch_size": "UINTEGER",
    "device_ns": "BIGINT",
    "cost": "BIGINT",  # picodollars; null where a device has no price
    "last_token_ns": "BIGINT",  # since the start; null where it did not come
    "energy": "BIGINT",  # microjoules; null where a device tells none
    "method": "UTINYINT",  # how its device time was found: place in catalog.labels.METHOD; null without a run
    # Of its device while it executed (device_history); null, each by itself, where nobody read it.
    "utilization": "FLOAT",  # mean, 0-1
    "sm_clock": "BIGINT",  # mean, Hz
    "throttle": "USMALLINT",  # bit n: reason n of catalog.labels.THROTTLE_REASON
    "throttled_ns": "BIGINT",  # in which any of them held, or a CPU host's quota was used up
    "temperature": "FLOAT",  # highest, degrees Celsius
}
EXECUTES: Final[dict[str, str]] = {
    "pass": "UBIGINT",
    "span_id": "UBIGINT",
    "execute_id": "UBIGINT",
    "batch_id": "UBIGINT",
    "queued_ns": "BIGINT",  # CLOCK_MONOTONIC, as the two that follow
    "start_ns": "BIGINT",
    "end_ns": "BIGINT",
    "device": "UINTEGER",
    "batch_size": "UINTEGER",
    "rows": "UINTEGER",
    "kind": "UTINYINT",
    "device_ns": "BIGINT",
    "cost": "BIGINT",
    "energy": "BIGINT",  # as those of `requests`
    "method": "UTINYINT",
}
EXECUTE_PARTS: Final[dict[str, str]] = {
    "pass": "UBIGINT",
    "span_id": "UBIGINT",
    "execute_id": "UBIGINT",
    "device": "UINTEGER",  # as the ledger names it
    "kind": "UTINYINT",
    "device_ns": "BIGINT",  # as those of `executes`, of this device alone
    "cost": "BIGINT",
    "energy": "BIGINT",
    "method": "UTINYINT",
}
"""Runs whose device in `executes` is a group, or has another name in the ledger: a row for each device."""
ENGINE_SHARES: Final[dict[str, str]] = {
    "pass": "UBIGINT",
    "wall_ns": "BIGINT",  # when it was settled
    "device": "UINTEGER",  # as the ledger names it
    "labels": "UINTEGER",  # service, model, version and region; nobody knows more
    "kind": "UTINYINT",
    "device_ns": "BIGINT",  # as those of `executes`
    "cost": "BIGINT",
    "energy": "BIGINT",
    "method": "UTINYINT",
}
"""What models of engines used that are only scraped, beyond requests that are recorded; since version 8."""
CALLS: Final[dict[str, str]] = {
    "pass": "UBIGINT",
    "span_id": "UBIGINT",
    "call_id": "UBIGINT",
    "start_ns": "BIGINT",
    "sent_ns": "BIGINT",
    "headers_ns": "BIGINT",
    "end_ns": "BIGINT",
    "server_ns": "BIGINT",
    "target": "UINTEGER",
    "method": "UINTEGER",
    "status": "USMALLINT",
    "kind": "UTINYINT",
    "attempt": "UTINYINT",
    "foreign_span": "UTINYINT",  # 1: somebody else makes its span
    "outcome": "UTINYINT",  # Outcome of an attempt that nobody answered; 0, null before version 7, where unknown
}
EXTERNAL_IDS: Final[dict[str, str]] = {
    "pass": "UBIGINT",
    "span_id": "UBIGINT",
    "told_ns": "BIGINT",  # CLOCK_MONOTONIC of the frame that brought it: after the request's start
    "text": "VARCHAR",  # what the client or a proxy calls the request
}
SPANS: Final[dict[str, str]] = {
    "pass": "UBIGINT",
    "trace_hi": "UBIGINT",
    "trace_lo": "UBIGINT",
    "span_id": "UBIGINT",
    "parent_id": "UBIGINT",
    "wall_ns": "BIGINT",  # its start, by the clock of who made it
    "duration_ns": "BIGINT",
    "kind": "UTINYINT",  # SpanKind of OTLP
    "failed": "UTINYINT",  # 1: its status is ERROR
    "request": "UBIGINT",  # span id of the request that it belongs to; 0 where none was found
    "service": "VARCHAR",
    "name": "VARCHAR",  # no attribute: prompts are in them
}
"""Spans of others, of traces in which a request is recorded."""
KEPT: Final[dict[str, str]] = {
    "pass": "UBIGINT",
    "trace_hi": "UBIGINT",
    "trace_lo": "UBIGINT",
    "reason": "VARCHAR",
    "wall_ns": "BIGINT",
}
LEDGER: Final[dict[str, str]] = {
    "pass": "UBIGINT",
    "wall_ns": "BIGINT",
    "device": "UINTEGER",
    "state": "VARCHAR",
    "ns": "HUGEINT",  # since the account began, as the three that follow
    "span_ns": "HUGEINT",  # wall time of the whole account
    "bill": "HUGEINT",  # picodollars of the whole device
    "idle_cost": "HUGEINT",
    "picodollars_per_hour": "BIGINT",  # null, as the three that follow, where no price is known
    "price_kind": "VARCHAR",
    "price_source": "VARCHAR",
    "price_as_of": "VARCHAR",
    "kind": "VARCHAR",  # of the device, as a price matches it; null in entries of earlier versions, as the next
    "model": "VARCHAR",
}
LEDGER_HOURS: Final[dict[str, str]] = {
    "pass": "UBIGINT",
    "wall_ns": "BIGINT",
    "device": "UINTEGER",
    "span_ns": "HUGEINT",  # as in `ledger`
    "bill": "HUGEINT",
    "priced": "BOOLEAN",
    "kind": "VARCHAR",
    "model": "VARCHAR",
}
DEVICE_MINUTES: Final[dict[str, str]] = {
    "pass": "UBIGINT",
    "wall_ns": "BIGINT",  # begin of the minute; a restart makes two rows of one
    "device": "UINTEGER",
    "span_ns": "BIGINT",  # that the ledger entered
    "used_ns": "BIGINT",  # of it: for requests or by runs for none
    "requests": "UINTEGER",  # settled requests whose longest run was here
    "utilization": "FLOAT",  # mean, 0-1; null, each by itself, what nobody read
    "utilization_peak": "FLOAT",
    "sm_active": "FLOAT",  # mean, 0-1, as the two that follow
    "tensor_active": "FLOAT",
    "dram_active": "FLOAT",
    "memory_used": "BIGINT",  # highest, bytes
    "memory_total": "BIGINT",
    "power": "FLOAT",  # mean, watts
    "temperature": "FLOAT",  # highest, degrees Celsius
    "throttled_ns": "BIGINT",  # clocks held down, for whatever reasons
}
PROCESS_PEAKS: Final[dict[str, str]] = {
    "pass": "UBIGINT",
    "wall_ns": "BIGINT",
    "device": "UINTEGER",
    "pid": "UINTEGER",  # as the host counts
    "memory_used": "BIGINT",  # most that it held since the row before, bytes
}
SLO_MINUTES: Final[dict[str, str]] = {
    "pass": "UBIGINT",
    "wall_ns": "BIGINT",  # begin of the minute in which they counted
    "slo": "VARCHAR",
    "labels": "UINTEGER",
    "device": "UINTEGER",  # of the longest run; 0 without one
    "good": "UINTEGER",
    "bad": "UINTEGER",
}
LABELS: Final[dict[str, str]] = {
    "pass": "UBIGINT",
    "id": "UINTEGER",
    "service": "VARCHAR",
    "model": "VARCHAR",
    "version": "VARCHAR",
    "region": "VARCHAR",
    "tenant": "VARCHAR",  # a known one, `other`, or empty
    "class": "VARCHAR",
    "method": "VARCHAR",
    "route": "VARCHAR",
    "named_tenant": "VARCHAR",  # as the request named it
}
NAMES: Final[dict[str, str]] = {"pass": "UBIGINT", "id": "UINTEGER", "name": "VARCHAR"}
PROCESSES: Final[dict[str, str]] = {
    "pass": "UBIGINT",
    "id": "UINTEGER",
    "worker": "UBIGINT",
    "pid": "UINTEGER",
    "host": "VARCHAR",
    "service": "VARCHAR",
    "namespace": "VARCHAR",
    "pod": "VARCHAR",
    "pod_uid": "VARCHAR",
    "node": "VARCHAR",
    "container": "VARCHAR",
    "container_id": "VARCHAR",
}
"""Null of a process of version 4, empty where it is not known: `inferometer.wire.pod.Pod`."""

SPANS_LET_GO: Final[dict[str, str]] = {
    "pass": "UBIGINT",  # 0 of rows that were stored and went: no rollback brings them back
    "spans": "BIGINT",
}

OF_REQUESTS: Final[dict[str, dict[str, str]]] = {
    "requests": REQUESTS,
    "executes": EXECUTES,
    "execute_parts": EXECUTE_PARTS,
    "engine_shares": ENGINE_SHARES,
    "calls": CALLS,
    "external_ids": EXTERNAL_IDS,
    "spans": SPANS,
    "kept": KEPT,
    "ledger": LEDGER,
}
"""Tables that grow with traffic; the oldest passes are deleted."""
HISTORY: Final[dict[str, dict[str, str]]] = {
    "ledger_hours": LEDGER_HOURS,
    "device_minutes": DEVICE_MINUTES,
    "process_peaks": PROCESS_PEAKS,
    "slo_minutes": SLO_MINUTES,
    "spans_let_go": SPANS_LET_GO,
}
"""What outlives the rest: of each hour the ledger's last entry, kept when `ledger` is trimmed, because a bill comes
later; how devices were, by minute, because a week says more of the size they need than a day; and what counted for
objectives, kept when `requests` is trimmed, because a budget lasts a month; and how many spans of others went for newer
ones, in the transaction in which they went, because a crash may come before the state that counts them."""
DIMENSIONS: Final[dict[str, dict[str, str]]] = {"labels": LABELS, "names": NAMES, "processes": PROCESSES}
"""Tables of what rows refer to by number; small, never deleted but by a rollback."""


def statements() -> list[str]:
    """SQL that makes an empty recorder."""
    tables = [
        f"create table if not exists {name} ({', '.join(f'{column} {kind}' for column, kind in columns.items())})"
        for name, columns in (OF_REQUESTS | HISTORY | DIMENSIONS).items()
    ]
    return ["create table if not exists schema_version (version UINTEGER, identity UBIGINT)", *tables]


def additions() -> list[str]:
    """SQL that gives the tables of an older version the columns that were added since."""
    return [
        f"alter table {name} add column if not exists {column} {kind}"
        for name, columns in (OF_REQUESTS | HISTORY | DIMENSIONS).items()
        for column, kind in columns.items()
    ]
