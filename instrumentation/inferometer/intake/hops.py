"""A finished request as bytes, cut out of its frame and read back when its trace turns out to be kept."""

import json
import struct
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from inferometer.errors import StateError, WireError
from inferometer.intake.pipeline import Arrival, WorkerInfo
from inferometer.otlp.encode import Resource
from inferometer.record.model import RequestRecord
from inferometer.wire.frame import Frame, Names, decode, encode
from inferometer.wire.layout import CALLS, EXECUTES, INTERVALS, REQUESTS, Section, Table
from inferometer.wire.records import records

MAX_WORKERS: Final = 512
"""Workers whose names are known; those of the oldest are forgotten."""
_SPAN: Final = struct.Struct("<Q")
_SPAN_OF_REQUEST: Final = 16
"""Offset of ``span_id`` in a row of REQUESTS; in the other tables it comes first."""
_PARTS: Final = (EXECUTES, CALLS, INTERVALS)


class Hops:
    """Cuts frames into hops, and reads hops with the names of their workers; used by one thread."""

    def __init__(self) -> None:
        self._workers: OrderedDict[bytes, tuple[WorkerInfo, Names]] = OrderedDict()
        self._encoded: dict[bytes, tuple[int, bytes]] = {}

    def cut(self, arrival: Arrival) -> "Cut":
        """The finished requests of a frame, by span id."""
        self._know(arrival.worker, arrival.names)
        return Cut(arrival.frame)

    def read(self, hop: bytes) -> tuple[RequestRecord, Resource, int]:
        """The record of a hop, its process, and wall time minus CLOCK_MONOTONIC.

        Raises:
            WireError: its worker's names are forgotten, or the bytes are no hop.
        """
        frame = decode(hop)
        known = self._workers.get(frame.worker_id)
        if known is None:
            raise WireError(f"a held request is of worker {frame.worker_id.hex()}, which is not known any more")
        info, names = known
        (record,) = records(frame, names)
        return record, resource_of(info, record), frame.wall_ns - frame.monotonic_ns

    def _know(self, info: WorkerInfo, names: Names) -> None:
        self._workers[info.worker_id] = info, names
        self._workers.move_to_end(info.worker_id)
        if len(self._workers) > MAX_WORKERS:
            gone, _ = self._workers.popitem(last=False)
            self._encoded.pop(gone, None)

    def dump(self) -> bytes:
        """The workers and their names, a line each."""
        lines = []
        for worker_id, (info, names) in self._workers.items():
            number = len(names.shapes) + len(names.strings)
            encoded = self._encoded.get(worker_id)
            if encoded is None or encoded[0] != number:
                fields = {"id": worker_id.hex(), "pid": info.pid, "service": info.service, "host": info.host}
                encoded = number, json.dumps({**fields, "names": names.to_json()}).encode()
                self._encoded[worker_id] = encoded
            lines.append(encoded[1])
        return b"\n".join(lines)

    def load(self, data: bytes) -> None:
        """Take over what `dump` wrote.

        Raises:
            StateError: it is not what `dump` writes.
        """
        try:
            for line in data.splitlines():
                row: Mapping[str, str] = json.loads(line)
                info = WorkerInfo(
                    worker_id=bytes.fromhex(row["id"]),
                    pid=int(row["pid"]),
                    service=row["service"],
                    sdk_version="",
                    host=row["host"],
                    start_ns=0,
                )
                self._know(info, Names.from_json(row["names"]))
        except (KeyError, TypeError, ValueError, WireError) as error:
            raise StateError(f"names of workers are not as inferometer writes them: {error}") from error


class Cut:
    """One frame, by request; the rows are sorted out when the first hop is asked for."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._rows: dict[int, dict[Section, bytes]] | None = None

    def hop(self, span_id: int) -> bytes:
        """Everything that the frame has of one finished request, as a frame without names."""
        if self._rows is None:
            self._rows = _sorted_out(self._frame)
        frame = self._frame
        return encode(
            Frame(
                worker_id=frame.worker_id,
                sequence=frame.sequence,
                monotonic_ns=frame.monotonic_ns,
                wall_ns=frame.wall_ns,
                tables=self._rows[span_id],
            )
        )


def resource_of(info: WorkerInfo, record: RequestRecord) -> Resource:
    """The process that a record's spans come from."""
    return Resource(service=info.service, host=info.host, pid=info.pid, region=record.labels.region)


def _sorted_out(frame: Frame) -> dict[int, dict[Section, bytes]]:
    rows: dict[int, dict[Section, bytes]] = {}
    for span, row in _rows(frame, REQUESTS, _SPAN_OF_REQUEST):
        rows[span] = {REQUESTS.section: row}
    for table in _PARTS:
        for span, row in _rows(frame, table, 0):
            of = rows.get(span)
            if of is not None:
                of[table.section] = of.get(table.section, b"") + row
    return rows


def _rows(frame: Frame, table: Table, offset: int) -> list[tuple[int, bytes]]:
    data, size = frame.tables.get(table.section, b""), table.size
    return [(_SPAN.unpack_from(data, at + offset)[0], data[at : at + size]) for at in range(0, len(data), size)]
