"""A frame: header and sections, to bytes and back."""

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from inferometer.errors import WireError
from inferometer.wire.layout import BY_SECTION, SHAPE_FIELDS, Section, Table

_HEADER = struct.Struct("<16sQQQ")
"""worker id, sequence, monotonic anchor ns, wall-clock anchor ns"""
_SECTION = struct.Struct("<HHI")
"""kind, row size (1 for JSON sections), rows (bytes for JSON sections)"""

MAX_FRAME_BYTES = 64 << 20
"""No sane worker sends more in a quarter of a second; what claims to be larger is not ours."""

LATEST_NS = 1 << 63
"""Beyond it a number of 64 bits has a sign: no clock says so."""
MAX_TEXT = 1_000
"""Characters of a name; what is longer is cut."""

Shape = tuple[str, ...]
"""Values of ``layout.SHAPE_FIELDS``, in that order."""


@dataclass(slots=True)
class Names:
    """Numbers of label sets and strings, as one worker gave them out."""

    shapes: dict[int, Shape] = field(default_factory=dict)
    strings: dict[int, str] = field(default_factory=dict)

    def update(self, other: "Names") -> None:
        """Take in what a later section added."""
        self.shapes.update(other.shapes)
        self.strings.update(other.strings)

    def to_json(self) -> dict[str, dict[str, object]]:
        """The form in which names travel in HELLO and in frames."""
        return {
            "shapes": {str(number): list(shape) for number, shape in self.shapes.items()},
            "strings": {str(number): text for number, text in self.strings.items()},
        }

    @classmethod
    def from_json(cls, data: object) -> "Names":
        """Read names; a shape of another version is cut or filled with empty strings.

        Raises:
            WireError: it is not the form that `to_json` writes.
        """
        try:
            if not isinstance(data, dict):
                raise TypeError("not an object")  # noqa: TRY301 - one place turns all of these into WireError
            width = len(SHAPE_FIELDS)
            shapes = {
                int(number): tuple(plain(value) for value in [*shape, *[""] * width][:width])
                for number, shape in data.get("shapes", {}).items()
            }
            strings = {int(number): plain(text) for number, text in data.get("strings", {}).items()}
        except (AttributeError, OverflowError, TypeError, ValueError) as error:
            raise WireError(f"names are not as a worker writes them: {error}") from error
        return cls(shapes, strings)


def plain(value: object) -> str:
    """A name as a text that every page can hold: not too long, and no half of a character."""
    return str(value)[:MAX_TEXT].encode("utf-8", "replace").decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What one worker sends at one flush."""

    worker_id: bytes
    """16 random bytes per process, new after a fork."""
    sequence: int
    """1, 2, 3 … per worker."""
    monotonic_ns: int
    wall_ns: int
    """The same moment on both clocks; wall time of a stamp is ``stamp - monotonic_ns + wall_ns``."""
    names: Names = field(default_factory=Names)
    gauges: Mapping[str, object] = field(default_factory=dict)
    """State of the worker now: see `inferometer.wire.gauges`."""
    tables: Mapping[Section, bytes] = field(default_factory=dict)
    """Rows of each table, packed, at this version's row size."""

    def rows(self, table: Table) -> Iterator[tuple[int, ...]]:
        """Rows of *table* as tuples in the order of its columns."""
        return table.row.iter_unpack(self.tables.get(table.section, b""))

    def count(self, table: Table) -> int:
        """Number of rows of *table*."""
        return len(self.tables.get(table.section, b"")) // table.size


def encode(frame: Frame) -> bytes:
    """The bytes of a frame."""
    parts = [_HEADER.pack(frame.worker_id, frame.sequence, frame.monotonic_ns, frame.wall_ns)]
    if frame.names.shapes or frame.names.strings:
        parts += _json_section(Section.NAMES, frame.names.to_json())
    if frame.gauges:
        parts += _json_section(Section.GAUGES, frame.gauges)
    for section, rows in frame.tables.items():
        if rows:
            size = BY_SECTION[section].size
            parts += (_SECTION.pack(section, size, len(rows) // size), rows)
    return b"".join(parts)


def _json_section(section: Section, data: object) -> tuple[bytes, bytes]:
    text = json.dumps(data, separators=(",", ":")).encode()
    return _SECTION.pack(section, 1, len(text)), text


def decode(data: bytes) -> Frame:
    """Read a frame.

    Raises:
        WireError: the bytes end early, a section is larger than the frame, or a JSON section is none.
    """
    if len(data) < _HEADER.size:
        raise WireError(f"a frame of {len(data)} bytes is shorter than its header of {_HEADER.size}")
    worker_id, sequence, monotonic_ns, wall_ns = _HEADER.unpack_from(data)
    if not (monotonic_ns < LATEST_NS and wall_ns < LATEST_NS):
        raise WireError(f"a frame of {monotonic_ns} ns and {wall_ns} ns: these are no times")
    names, gauges, tables = Names(), {}, {}
    offset = _HEADER.size
    while offset < len(data):
        kind, size, payload, offset = _section(data, offset)
        if kind == Section.NAMES:
            names = Names.from_json(_json(payload))
        elif kind == Section.GAUGES:
            gauges = _json(payload)
        elif kind in BY_SECTION:
            section = Section(kind)
            tables[section] = _resized(payload, size, BY_SECTION[section].size)
    if not isinstance(gauges, dict):
        raise WireError("gauges of a frame are no JSON object")
    return Frame(
        worker_id=worker_id,
        sequence=sequence,
        monotonic_ns=monotonic_ns,
        wall_ns=wall_ns,
        names=names,
        gauges=gauges,
        tables=tables,
    )


def peek(data: bytes) -> tuple[bytes, int]:
    """Worker id and sequence of an encoded frame.

    Raises:
        WireError: the bytes end before the header does.
    """
    if len(data) < _HEADER.size:
        raise WireError(f"a frame of {len(data)} bytes is shorter than its header of {_HEADER.size}")
    worker_id, sequence, _, _ = _HEADER.unpack_from(data)
    return worker_id, sequence


def _section(data: bytes, offset: int) -> tuple[int, int, bytes, int]:
    if offset + _SECTION.size > len(data):
        raise WireError(f"a section header at byte {offset} is cut off")
    kind, size, rows = _SECTION.unpack_from(data, offset)
    begin = offset + _SECTION.size
    end = begin + size * rows
    if size == 0 or end > len(data):
        raise WireError(f"section {kind} at byte {offset} claims {rows} rows of {size} bytes, more than there are")
    return kind, size, data[begin:end], end


def _json(payload: bytes) -> dict[str, object]:
    try:
        data = json.loads(payload)
    except (RecursionError, ValueError) as error:
        raise WireError(f"a JSON section is no JSON: {error}") from error
    if not isinstance(data, dict):
        raise WireError("a JSON section is no JSON object")
    return data


def _resized(payload: bytes, theirs: int, ours: int) -> bytes:
    """Rows of another version at our row size: unknown columns cut, absent ones 0."""
    if theirs == ours:
        return payload
    rows = (payload[i : i + theirs] for i in range(0, len(payload), theirs))
    return b"".join(row[:ours].ljust(ours, b"\0") for row in rows)
