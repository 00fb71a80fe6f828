"""Frames some of whose requests wait for their trace's decision, and the requests in them."""

import json
import struct
from collections import OrderedDict
from collections.abc import Collection
from typing import Final

from inferometer.errors import StateError, WireError
from inferometer.intake.pipeline import Arrival, WorkerInfo
from inferometer.otlp.kept import Resource
from inferometer.record.model import RequestRecord
from inferometer.wire.frame import Frame, Names, decode, encode
from inferometer.wire.layout import CALLS, EXECUTES, EXTERNAL_IDS, INTERVALS, REQUESTS, Section, Table
from inferometer.wire.pod import Pod
from inferometer.wire.records import records

MAX_WORKERS: Final = 512
"""Workers whose names are known; those of the oldest are forgotten."""
DURABLE_BYTES: Final = 1 << 20
"""Of the newest held frames that are part of the state: it is written four times a second."""
_SPAN: Final = struct.Struct("<Q")
_SPAN_OF_REQUEST: Final = 16
"""Offset of ``span_id`` in a row of REQUESTS; in the other tables it comes first."""
_HEAD: Final = struct.Struct("<QI")
"""number, bytes"""
_TABLES: Final = (REQUESTS, EXECUTES, CALLS, INTERVALS, EXTERNAL_IDS)


class _Held:
    """One frame, with the number of its requests that wait."""

    __slots__ = ("frame", "holders", "lines", "rows", "size")

    def __init__(self, frame: Frame) -> None:
        tables = {t.section: frame.tables[t.section] for t in _TABLES if t.section in frame.tables}
        self.frame = Frame(
            worker_id=frame.worker_id,
            sequence=frame.sequence,
            monotonic_ns=frame.monotonic_ns,
            wall_ns=frame.wall_ns,
            tables=tables,
        )
        self.size = sum(map(len, tables.values()))
        self.holders = 0
        self.lines = bytearray()
        """What `retain` was told of the requests that wait."""
        self.rows: dict[int, dict[Section, bytes]] | None = None


class HeldFrames:
    """Frames by number, as long as a request of theirs waits; used by one thread."""

    def __init__(self) -> None:
        self._frames: dict[int, _Held] = {}
        self._workers: OrderedDict[bytes, tuple[WorkerInfo, Names]] = OrderedDict()
        self._offsets: dict[bytes, int] = {}
        self._encoded_names: dict[bytes, tuple[int, bytes]] = {}
        self._newest: _Held | None = None
        self._number = 0
        self.size = 0
        """Bytes of all of them."""

    def offer(self, arrival: Arrival) -> int:
        """The number of a new frame; it is held once `retain` is called for it, before the next is offered."""
        self._know(arrival.worker, arrival.names)
        self._offsets[arrival.worker.worker_id] = arrival.frame.wall_ns - arrival.frame.monotonic_ns
        self._number += 1
        self._newest = _Held(arrival.frame)
        return self._number

    def retain(self, number: int, requests: int = 1, *, lines: bytes = b"") -> None:
        """So many more requests of the frame wait; *lines* say so in the state."""
        held = self._frames.get(number)
        if held is None:
            if number != self._number or self._newest is None:
                raise KeyError(number)
            held = self._frames[number] = self._newest
            self.size += held.size
        held.holders += requests
        held.lines += lines

    def release(self, number: int) -> None:
        """One request of the frame waits no more."""
        held = self._frames[number]
        held.holders -= 1
        if not held.holders:
            del self._frames[number]
            self.size -= held.size

    def read(self, number: int, span_id: int) -> tuple[RequestRecord, Resource, int]:
        """A request that waits: its record, its process, and wall time minus CLOCK_MONOTONIC.

        Raises:
            WireError: the worker's names are forgotten, or the frame has no such request.
        """
        held = self._frames[number]
        frame = held.frame
        known = self._workers.get(frame.worker_id)
        if held.rows is None:
            held.rows = _sorted_out(frame)
        rows = held.rows.get(span_id)
        if known is None or rows is None:
            raise WireError(f"request {span_id:016x} of worker {frame.worker_id.hex()} cannot be read any more")
        info, names = known
        alone = Frame(worker_id=frame.worker_id, sequence=0, monotonic_ns=0, wall_ns=0, tables=rows)
        (record,) = records(alone, names)
        return record, resource_of(info, record), frame.wall_ns - frame.monotonic_ns

    def _know(self, info: WorkerInfo, names: Names) -> None:
        self._workers[info.worker_id] = info, names
        self._workers.move_to_end(info.worker_id)
        if len(self._workers) > MAX_WORKERS:
            gone, _ = self._workers.popitem(last=False)
            self._encoded_names.pop(gone, None)
            self._offsets.pop(gone, None)

    def process(self, worker_id: bytes, record: RequestRecord) -> tuple[Resource, int] | None:
        """The process of a worker, and its wall time minus CLOCK_MONOTONIC; None where no frame of it was seen."""
        known, offset = self._workers.get(worker_id), self._offsets.get(worker_id)
        return None if known is None or offset is None else (resource_of(known[0], record), offset)

    def durable(self) -> set[int]:
        """The newest frames, as many as the state takes."""
        chosen, size = set(), 0
        for number in sorted(self._frames, reverse=True):
            size += self._frames[number].size
            if size > DURABLE_BYTES:
                break
            chosen.add(number)
        return chosen

    def lines(self, numbers: Collection[int]) -> bytes:
        """What these frames were retained with, oldest first."""
        return b"".join([self._frames[number].lines for number in sorted(numbers)])

    def dump(self) -> bytes:
        """The `durable` frames."""
        parts: list[bytes] = []
        for number in sorted(self.durable()):
            data = encode(self._frames[number].frame)
            parts += (_HEAD.pack(number, len(data)), data)
        return b"".join(parts)

    def load(self, data: bytes) -> None:
        """Take over what `dump` wrote; a frame stays when a hop is held in it, before the next one is offered.

        Raises:
            StateError: it is not what `dump` writes.
        """
        begin = 0
        try:
            while begin < len(data):
                number, size = _HEAD.unpack_from(data, begin)
                begin += _HEAD.size + size
                held = _Held(decode(data[begin - size : begin]))
                self._frames[number] = held
                self.size += held.size
                self._number = max(self._number, number)
        except (struct.error, WireError) as error:
            raise StateError(f"held frames are not as inferometer writes them: {error}") from error

    def drop_unheld(self) -> None:
        """Forget frames in which nothing waits, after a `load`."""
        for number in [number for number, held in self._frames.items() if not held.holders]:
            self.size -= self._frames.pop(number).size

    def dump_names(self) -> bytes:
        """The workers and their names, a line each."""
        lines = []
        for worker_id, (info, names) in self._workers.items():
            number = len(names.shapes) + len(names.strings)
            encoded = self._encoded_names.get(worker_id)
            if encoded is None or encoded[0] != number:
                fields = {"id": worker_id.hex(), "pid": info.pid, "service": info.service, "host": info.host}
                if info.pod:
                    fields["pod"] = info.pod.to_json()
                encoded = number, json.dumps({**fields, "names": names.to_json()}).encode()
                self._encoded_names[worker_id] = encoded
            lines.append(encoded[1])
        return b"\n".join(lines)

    def load_names(self, data: bytes) -> None:
        """Take over what `dump_names` wrote.

        Raises:
            StateError: it is not what `dump_names` writes.
        """
        try:
            for line in data.splitlines():
                row = json.loads(line)
                info = WorkerInfo(
                    worker_id=bytes.fromhex(row["id"]),
                    pid=int(row["pid"]),
                    service=row["service"],
                    sdk_version="",
                    host=row["host"],
                    start_ns=0,
                    pod=Pod.from_json(row.get("pod", {})),
                )
                self._know(info, Names.from_json(row["names"]))
        except (KeyError, TypeError, ValueError, WireError) as error:
            raise StateError(f"names of workers are not as inferometer writes them: {error}") from error


def resource_of(info: WorkerInfo, record: RequestRecord) -> Resource:
    """The process that a record's spans come from."""
    return Resource(service=info.service, host=info.host, pid=info.pid, region=record.labels.region, pod=info.pod)


def _sorted_out(frame: Frame) -> dict[int, dict[Section, bytes]]:
    """Rows of all tables by request."""
    rows: dict[int, dict[Section, bytes]] = {}
    for span, row in _rows(frame, REQUESTS, _SPAN_OF_REQUEST):
        rows[span] = {REQUESTS.section: row}
    for table in _TABLES[1:]:
        for span, row in _rows(frame, table, 0):
            of = rows.get(span)
            if of is not None:
                of[table.section] = of.get(table.section, b"") + row
    return rows


def _rows(frame: Frame, table: Table, offset: int) -> list[tuple[int, bytes]]:
    data, size = frame.tables.get(table.section, b""), table.size
    return [(_SPAN.unpack_from(data, at + offset)[0], data[at : at + size]) for at in range(0, len(data), size)]
