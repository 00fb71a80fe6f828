"""Recorded readings of GPUs, for hosts without one: health only, marked as a replay, never in the ledger.

A file is CSV with a header. ``seconds`` (since the recording began), ``device``, ``name`` and ``driver`` come first;
every other column is a series of the catalogue in base units, with the value of its second label in braces where it
has one: ``gpu_throttle_seconds_total{thermal}``. An empty cell is unknown. At its end the recording begins anew;
counters go on.
"""

import csv
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inferometer.catalog import gpus
from inferometer.catalog.index import series
from inferometer.catalog.model import Series
from inferometer.errors import CatalogError, StateError
from inferometer_exporters.source import Reading

_FACTS: Final = ("seconds", "device", "name", "driver")
_SOURCE: Final = "replay"
_WITHOUT, _WITH = 1, 2


@dataclass(frozen=True, slots=True)
class Column:
    """A column of readings: its series and the value of its second label, where it has one."""

    entry: Series
    value: str | None

    @property
    def rises(self) -> bool:
        """Whether it is a counter."""
        return self.entry.kind == "counter"


@dataclass(frozen=True, slots=True)
class Sample:
    """One row: readings of one device at one moment."""

    seconds: float
    device: str
    name: str
    driver: str
    values: tuple[float | None, ...]


class Replay:
    """Readings of a recording, as if they were taken now.

    Args:
        path: of the file.
        monotonic: seconds.

    Raises:
        StateError: the file cannot be read, or names what the catalogue does not have.
    """

    name = _SOURCE

    def __init__(self, path: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._columns, samples = _read(path)
        self._by_device: dict[str, list[Sample]] = defaultdict(list)
        for sample in sorted(samples, key=lambda sample: sample.seconds):
            self._by_device[sample.device].append(sample)
        self._length = max(sample.seconds for sample in samples)
        self._monotonic = monotonic
        self._began = monotonic()

    def read(self) -> Iterator[Reading]:
        """The newest recorded readings of each device at this moment of the recording."""
        elapsed = self._monotonic() - self._began
        rounds, moment = divmod(elapsed, self._length) if self._length else (0.0, 0.0)
        for device, samples in self._by_device.items():
            index = max(bisect_right(samples, moment, key=lambda sample: sample.seconds) - 1, 0)
            sample = samples[index]
            yield Reading(gpus.GPU_INFO, (device, sample.name, sample.driver, _SOURCE), 1)
            for position, column in enumerate(self._columns):
                value = sample.values[position]
                if value is not None:
                    if column.rises:
                        value += rounds * self._gain(samples, position)
                    yield _reading(column, device, value)

    @staticmethod
    def _gain(samples: list[Sample], position: int) -> float:
        """How far a counter rises in one round."""
        known = [value for sample in samples if (value := sample.values[position]) is not None]
        return known[-1] - known[0]


def _reading(column: Column, device: str, value: float) -> Reading:
    labels = (device,) if column.value is None else (device, column.value)
    stored = value * column.entry.scale
    return Reading(column.entry, labels, round(stored) if column.rises else stored)


def _read(path: Path) -> tuple[list[Column], list[Sample]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StateError(f"cannot read the recording {path}: {error}") from error
    if not lines or tuple(lines[0][: len(_FACTS)]) != _FACTS:
        raise StateError(f"{path}:1: a recording begins with the columns {','.join(_FACTS)}")
    columns = [_column(path, text) for text in lines[0][len(_FACTS) :]]
    samples = [_sample(path, number, row, len(columns)) for number, row in enumerate(lines[1:], 2) if row]
    if not samples:
        raise StateError(f"{path}: a recording has at least one row of readings")
    return columns, samples


def _column(path: Path, text: str) -> Column:
    name, _, rest = text.partition("{")
    value = rest.rstrip("}") or None
    try:
        entry = series(name)
    except CatalogError as error:
        raise StateError(f"{path}:1: {error}") from error
    if len(entry.labels) != (_WITHOUT if value is None else _WITH):
        wanted = ", ".join(entry.label_names)
        raise StateError(f"{path}:1: {text} does not fit the labels {wanted}: the second one goes in braces")
    return Column(entry, value)


def _sample(path: Path, number: int, row: list[str], width: int) -> Sample:
    seconds, device, name, driver, *cells = row
    try:
        values = tuple(float(cell) if cell else None for cell in cells)
        if len(values) != width:
            raise ValueError(f"{len(values)} readings for {width} columns")  # noqa: TRY301 - one place names the line
        return Sample(float(seconds), device, name, driver, values)
    except ValueError as error:
        raise StateError(f"{path}:{number}: {error}") from error
