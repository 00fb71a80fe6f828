"""Finished requests whose cost is not known yet: they wait until the ledger has swept past their last run."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from inferometer.catalog.stages import Stage
from inferometer.record.model import Flag
from inferometer_exporters.columns.finder import Finder
from inferometer_exporters.columns.meter import first_chunks, outcomes
from inferometer_exporters.columns.packed import pack, unpack
from inferometer_exporters.columns.partition import Partitions
from inferometer_exporters.columns.tables import Columns, Ids, Ints, concatenate, length, take
from inferometer_exporters.device_state import unread
from inferometer_exporters.ledger.runs import mixed
from inferometer_exporters.recorder.insertion import SEGMENTS
from inferometer_exporters.recorder.schema import STAGE_COLUMNS

_NOBODY: Final = np.zeros(0, np.uint64)
_HELD: Final = "sidecar.held"
RAN_FROM: Final = "ran_from"
"""Column of released rows: when the run began that speaks for the request, CLOCK_MONOTONIC ns; 0 without one."""
RAN_UNTIL: Final = "ran_until"
"""When it ended."""


def recorder_rows(requests: Columns, partitions: Partitions) -> Columns:
    """Columns of the recorder's table `requests` that are known when a request ends."""
    start = partitions.start
    token, last = requests["first_token"], requests["last_token"]
    columns: Columns = {
        "trace_hi": requests["trace_hi"],
        "trace_lo": requests["trace_lo"],
        "span_id": requests["span_id"],
        "parent_id": requests["parent_id"],
        "start_ns": start,
        "wall_ns": start + requests["wall_offset"],
        "duration_ns": partitions.duration,
        "first_chunk_ns": np.maximum(first_chunks(requests, start), -1),
        "first_token_ns": np.where(token != 0, token - start, -1),
        "last_token_ns": np.where(last != 0, last - start, -1),
        "proxy_wait_ns": np.where(requests["proxy_wait"] != 0, requests["proxy_wait"], -1),
        "labels": requests["labels"].astype(np.uint32),
        "process": requests["process"].astype(np.uint32),
        "outcome": outcomes(requests).astype(np.uint8),
        "segment_count": partitions.counts,
        "worker": requests["worker"],
        **{name: requests[name] for name in _AS_THEY_ARE},
    }
    columns |= {name: partitions.totals[stage] for name, stage in zip(STAGE_COLUMNS, Stage, strict=True)}
    columns |= {name: partitions.segments[index] for index, name in enumerate(SEGMENTS)}
    return columns


_AS_THEY_ARE: Final = (
    "status", "flags", "bytes_in", "bytes_out", "chunks", "tokens_in", "tokens_out",
)  # fmt: skip


def releases(requests: Columns, end: Ints, executes: Columns) -> tuple[Ints, Ints]:
    """When the last run of each request has ended, and the same for each of its *executes*; ns.

    A run without an end is taken to have ended with its request.
    """
    row = Finder(requests["span_id"])(executes["span_id"])
    known = row >= 0
    last = np.zeros(len(end), np.int64)
    ends = np.where(executes["end"] == 0, np.where(known, end[row] if len(end) else 0, 0), executes["end"])
    np.maximum.at(last, row[known], ends[known])
    return last, np.where(known, last[row] if len(last) else 0, ends)


class Hold:
    """Rows for the recorder that wait for their cost."""

    def __init__(self) -> None:
        self._waiting: Columns = {}

    def __len__(self) -> int:
        return length(self._waiting)

    @property
    def newest(self) -> int:
        """How far the ledger must be swept for all of them, ns."""
        return int(self._waiting["release"].max()) if len(self) else 0

    def add(self, rows: Columns, release: Ints) -> None:
        """Keep *rows* until the ledger is past *release* (ns of each)."""
        if length(rows):
            rows = rows | {"release": release}
            self._waiting = concatenate([self._waiting, rows]) if self._waiting else rows

    def released(self, until: int, runs: Columns, priced: Ints, unsettled: Ids = _NOBODY) -> tuple[Columns, Ints]:
        """Take out requests whose runs are all settled, with what they owe.

        Args:
            until: the ledger is settled up to here.
            runs: what the ledger released.
            priced: 1 for each of *runs* whose device has a price.
            unsettled: requests that have runs on devices that are not settled that far, as `mixed` of worker and span.

        Returns:
            Rows as the recorder takes them, and the row of each of *runs* (-1 without one).
        """
        if not self._waiting:
            return {}, np.full(length(runs), -1, np.int64)
        due = self._waiting["release"] <= until
        if len(unsettled):
            due &= ~np.isin(mixed(self._waiting["worker"], self._waiting["span_id"]), unsettled)
        rows = take(self._waiting, due)
        self._waiting = take(self._waiting, ~due)
        return self._charged(rows, runs, priced)

    def _charged(self, rows: Columns, runs: Columns, priced: Ints) -> tuple[Columns, Ints]:
        count = length(rows)
        find = Finder(mixed(rows["worker"], rows["span_id"]))
        row = find(mixed(runs["worker"], runs["span_id"]))
        known = np.flatnonzero(row >= 0)
        of = row[known]
        device_ns, cost, unpriced, energy, unmeasured = np.zeros((5, count), np.int64)
        np.add.at(device_ns, of, runs["ns"][known])
        np.add.at(cost, of, runs["picodollars"][known])
        np.add.at(unpriced, of, 1 - priced[known])
        joules = runs["microjoules"][known]
        np.add.at(energy, of, joules)
        np.add.at(unmeasured, of, joules < 0)
        # Of several runs the longest speaks for the request: written last, it stays.
        longest = known[np.argsort((runs["end"] - runs["start"])[known], kind="stable")]
        main = {"device": "name", "batch_id": "batch_id", "batch_size": "size", RAN_FROM: "start", RAN_UNTIL: "end"}
        for name, source in main.items():
            column = np.zeros(count, runs[source].dtype)
            column[row[longest]] = runs[source][longest]
            rows[name] = column
        rows["device_ns"] = device_ns
        # Of a request that a span told of nobody knows where it ran, or its span came after that time was settled.
        untold = ((rows["flags"] & int(Flag.TOLD)) != 0) & (device_ns == 0)
        rows["cost"] = np.where((unpriced > 0) | untold, -1, cost)
        rows["energy"] = np.where((unmeasured > 0) | untold, -1, energy)
        rows["method"] = np.full(count, -1, np.int64)
        rows["method"][row[longest]] = runs["method"][longest]
        rows |= unread(count)
        return rows, row

    def dump(self) -> dict[str, bytes]:
        """The waiting rows as a section of the state file."""
        return {_HELD: pack(self._waiting)} if len(self) else {}

    def load(self, sections: Mapping[str, bytes]) -> None:
        """Take over what `dump` wrote.

        Raises:
            StateError: it is not what `dump` writes.
        """
        if _HELD in sections:
            self._waiting = unpack(sections[_HELD])
            # A state of before there was this column.
            self._waiting.setdefault("last_token_ns", np.full(len(self), -1, np.int64))

    def release_all(self) -> None:
        """Nothing that comes can change what these requests owe: their clock is gone."""
        if self._waiting:
            self._waiting["release"] = np.zeros(len(self), np.int64)
