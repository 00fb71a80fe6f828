"""Workers that tell a pipeline of requests, as frames on the wire would."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from inferometer.catalog.phases import Phase
from inferometer.intake.pipeline import Arrival, WorkerInfo
from inferometer.wire.frame import Frame, Names
from inferometer.wire.layout import PHASES, SHAPE_FIELDS, Section, Table

MS: Final = 10**6
SECOND: Final = 10**9
HOST: Final = "box"


def row(table: Table, **values: int) -> bytes:
    """A row of a frame's table; columns that are not given are 0."""
    return table.row.pack(*(values.get(name, 0) for name in table.names))


@dataclass
class Worker:
    """One process of a service; a restarted one is another worker.

    Attributes:
        service: its service.
        pid: its process id, which also makes its identity.
        models: models that it loads at its start, with seconds and device.
        gauges: what it says of itself with each frame.
    """

    service: str
    pid: int
    models: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    gauges: dict[str, object] = field(default_factory=dict)
    region: str = ""
    _sequence: int = 0
    _names: Names = field(default_factory=Names)

    @property
    def frames(self) -> int:
        """How many it has sent."""
        return self._sequence

    @property
    def identity(self) -> bytes:
        """16 bytes, as every process has its own."""
        return struct.pack("<QQ", self.pid, 1)

    def shape(self, **values: str) -> int:
        """Number of a label set."""
        wanted = tuple(values.get(name, "") for name in SHAPE_FIELDS)
        for number, known in self._names.shapes.items():
            if known == wanted:
                return number
        number = len(self._names.shapes) + 1
        self._names.shapes[number] = wanted
        return number

    def string(self, text: str) -> int:
        """Number of a text."""
        for number, known in self._names.strings.items():
            if known == text:
                return number
        number = len(self._names.strings) + 1
        self._names.strings[number] = text
        return number

    def arrival(self, now: int, wall: int, tables: Mapping[Section, bytes]) -> Arrival:
        """A frame of now; the first one has the cold start of the last ten seconds and the loads in it."""
        self._sequence += 1
        gauges = dict(self.gauges)
        tables = dict(tables)
        if self._sequence == 1:
            tables[Section.PHASES] = self._cold_start(now)
            gauges["model_loads"] = [(model, round(took * SECOND)) for model, (took, _) in self.models.items()]
            gauges["load_devices"] = [device for _, device in self.models.values()]
        frame = Frame(
            worker_id=self.identity,
            sequence=self._sequence,
            monotonic_ns=now,
            wall_ns=wall,
            names=self._names,
            gauges=gauges,
            tables=tables,
        )
        info = WorkerInfo(
            worker_id=self.identity, pid=self.pid, service=self.service, sdk_version="0", host=HOST, start_ns=1
        )
        return Arrival(info, frame, self._names)

    def _cold_start(self, now: int) -> bytes:
        lasts = ((Phase.INTERPRETER, 0.2), (Phase.IMPORT, 2.3), (Phase.STARTUP, 1.5), (Phase.WAIT, 1.0))
        at = now - 5 * SECOND
        rows = []
        for phase, seconds in lasts:
            end = at + round(seconds * SECOND)
            region = self.string(self.region)
            rows.append(PHASES.row.pack(at, end, 0, 0, 0, 0, region, phase, 1, 0, 0))
            at = end
        return b"".join(rows)
