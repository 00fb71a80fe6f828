"""The recorder as Parquet files: names instead of numbers, a unit in each column's name, whole numbers as they are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from inferometer.catalog.labels import METHOD, THROTTLE_REASON
from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.errors import StateError
from inferometer.record.model import Flag
from inferometer_exporters.recorder.reading import Cursor, rows
from inferometer_exporters.recorder.schema import STAGE_COLUMNS

_HEX: Final = "lpad(lower(to_hex({0})), 16, '0')"


def _hex(column: str) -> str:
    """16 hexadecimal digits of an id, null where it is 0."""
    return f"case when {column} != 0 then {_HEX.format(column)} end"


def _place(column: str, values: tuple[str, ...]) -> str:
    """The text at the place that *column* holds."""
    return f"[{', '.join(repr(value) for value in values)}][{column} + 1]"


def _mask(column: str, values: tuple[str, ...]) -> str:
    """The texts whose bits *column* has; null where it is null."""
    parts = ", ".join(f"case when {column} & {1 << bit} != 0 then {value!r} end" for bit, value in enumerate(values))
    return f"case when {column} is not null then list_filter([{parts}], lambda one: one is not null) end"


_KINDS: Final = "case {0} " + " ".join(f"when {int(kind)} then {kind.label!r}" for kind in Kind) + " end"
_OUTCOMES: Final = "case r.outcome " + " ".join(f"when {int(one)} then {one.label!r}" for one in Outcome) + " end"
_COST: Final = {
    "device_ns": "{0}.device_ns",
    "cost_picodollars": "{0}.cost",
    "energy_microjoules": "{0}.energy",
    "cost_method": _place("{0}.method", METHOD.values),
}
_REQUESTS: Final = {
    "trace_id": f"concat({_HEX.format('r.trace_hi')}, {_HEX.format('r.trace_lo')})",
    "span_id": _hex("r.span_id"),
    "parent_span_id": _hex("r.parent_id"),
    "start_unix_ns": "r.wall_ns",
    "start_time": "make_timestamp_ns(r.wall_ns)",
    "service": "l.service",
    "model": "coalesce(nullif(l.model, ''), l.route)",
    "version": "l.version",
    "region": "l.region",
    "tenant": "l.tenant",
    "request_class": "l.class",
    "method": "l.method",
    "route": "l.route",
    "outcome": _OUTCOMES,
    "status": "r.status",
    "is_entry": f"(r.flags & {int(Flag.ENTRY)}) != 0",
    "is_warmup": f"(r.flags & {int(Flag.WARMUP)}) != 0",
    "duration_ns": "r.duration_ns",
    **{f"{stage.label}_ns": f"r.{column}" for stage, column in zip(Stage, STAGE_COLUMNS, strict=True)},
    "first_chunk_ns": "r.first_chunk_ns",
    "first_token_ns": "r.first_token_ns",
    "last_token_ns": "r.last_token_ns",
    "proxy_wait_ns": "r.proxy_wait_ns",
    "request_bytes": "r.bytes_in",
    "response_bytes": "r.bytes_out",
    "tokens_in": "nullif(r.tokens_in, 0)",
    "tokens_out": "nullif(r.tokens_out, 0)",
    "device": "names.name",
    "batch_size": "nullif(r.batch_size, 0)",
    **{name: source.format("r") for name, source in _COST.items()},
    "utilization_ratio": "r.utilization",
    "sm_clock_hertz": "r.sm_clock",
    "temperature_celsius": "r.temperature",
    "throttle_reasons": _mask("r.throttle", THROTTLE_REASON.values),
    "throttled_ns": "r.throttled_ns",
}
_EXECUTES: Final = {
    "trace_id": f"concat({_HEX.format('r.trace_hi')}, {_HEX.format('r.trace_lo')})",
    "span_id": _hex("e.span_id"),
    "execute_id": _hex("e.execute_id"),
    "batch_id": _hex("e.batch_id"),
    "device": "names.name",
    "kind": _KINDS.format("e.kind"),
    "queued_unix_ns": "e.queued_ns + r.wall_ns - r.start_ns",
    "start_unix_ns": "e.start_ns + r.wall_ns - r.start_ns",
    "end_unix_ns": "e.end_ns + r.wall_ns - r.start_ns",
    "batch_size": "e.batch_size",
    "batch_rows": "e.rows",
    **{name: source.format("e") for name, source in _COST.items()},
}
_LEDGER: Final = {
    "entry_unix_ns": "ledger.wall_ns",
    "entry_time": "make_timestamp_ns(ledger.wall_ns)",
    "device": "names.name",
    "device_kind": "ledger.kind",
    "device_model": "ledger.model",
    "state": "ledger.state",
    # Parquet has no integer of 128 bits.
    "state_ns": "ledger.ns::DECIMAL(38, 0)",
    "account_ns": "ledger.span_ns::DECIMAL(38, 0)",
    "bill_picodollars": "ledger.bill::DECIMAL(38, 0)",
    "idle_cost_picodollars": "ledger.idle_cost::DECIMAL(38, 0)",
    "price_picodollars_per_hour": "ledger.picodollars_per_hour",
    "price_kind": "nullif(ledger.price_kind, '')",
    "price_source": "nullif(ledger.price_source, '')",
    "price_as_of": "nullif(ledger.price_as_of, '')",
}
_NAMED: Final = "left join labels as l on l.id = r.labels left join names on names.id = r.device"
_DEVICE: Final = "left join names on names.id = e.device"
_BEGAN: Final = "r.wall_ns >= $since"
TABLES: Final[dict[str, tuple[dict[str, str], str]]] = {
    "requests": (_REQUESTS, f"requests as r {_NAMED} where {_BEGAN}"),
    "executes": (
        _EXECUTES,
        f"executes as e join requests as r on r.span_id = e.span_id and r.pass = e.pass {_DEVICE} where {_BEGAN}",
    ),
    "ledger": (_LEDGER, "ledger left join names on names.id = ledger.device where ledger.wall_ns >= $since"),
}
"""File without its suffix -> what its columns are made of, and of which rows."""


@dataclass(frozen=True, slots=True)
class Written:
    """A Parquet file."""

    rows: int
    bytes: int


def write(cursor: Cursor, table: str, path: Path, *, since_ns: int = 0) -> Written:
    """Write one of `TABLES` to a file, which is made or replaced.

    Args:
        cursor: of the recorder.
        table: its name.
        path: of the file.
        since_ns: wall time at or after which a request began, or the ledger was entered.

    Raises:
        StateError: the file cannot be written; what there is of it is removed.
    """
    quoted = str(path).replace("'", "''")
    query = select(table).replace("$since", str(int(since_ns)))
    try:
        count = rows(cursor, f"copy ({query}) to '{quoted}' (format parquet, compression zstd)")[0][0]
    except (duckdb.IOException, duckdb.InvalidInputException) as error:
        path.unlink(missing_ok=True)
        raise StateError(f"cannot write {path}: {error}") from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Written(rows=int(count), bytes=path.stat().st_size)


def select(table: str) -> str:
    """SQL of a table's rows, by ``$since``."""
    columns, source = TABLES[table]
    named = ", ".join(f"{what} as {name}" for name, what in columns.items())
    return f"select {named} from {source}"  # noqa: S608 - constants
