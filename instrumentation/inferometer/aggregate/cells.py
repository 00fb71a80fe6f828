"""One series each: a counter, a gauge, a histogram. Changed by the Intake's thread only; frozen into samples."""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from typing import Final

from inferometer.aggregate.layout import Layout
from inferometer.aggregate.sample import Birth, Distribution, Exemplar, Scalar
from inferometer.errors import StateError

LabelValues = tuple[str, ...]

_MAX_PENDING: Final = 4_096


class CounterCell:
    """A count that only rises."""

    __slots__ = ("birth", "encoded", "frozen", "labels", "limited", "value")

    def __init__(self, labels: LabelValues, birth: Birth | None, *, limited: bool = False) -> None:
        self.labels = labels
        self.birth = birth
        self.limited = limited
        """The series stands for others that found no room: look it up each time, do not keep the handle."""
        self.value = 0
        self.frozen: Scalar | None = None
        self.encoded: bytes | None = None

    def add(self, amount: int = 1) -> None:
        """Count *amount* more, in stored units."""
        self.value += amount
        self.frozen = self.encoded = None

    def raise_to(self, total: int) -> None:
        """Follow a count that is kept elsewhere; a smaller *total* changes nothing."""
        if total > self.value:
            self.add(total - self.value)

    def freeze(self) -> Scalar:
        """What a page shows."""
        if self.frozen is None:
            self.frozen = Scalar(self.labels, self.value, self.birth)
        return self.frozen

    def encode(self) -> bytes:
        """One line of the state."""
        if self.encoded is None:
            self.encoded = _line([self.labels, int(self.birth is not None), self.value])
        return self.encoded

    def restore(self, fields: list[int], layout: Layout | None) -> None:  # noqa: ARG002 - one form for all cells
        """Take the values of a line of the state over."""
        (self.value,) = fields

    def settled(self) -> None:
        """From now on the real value is shown."""
        self.birth = self.frozen = self.encoded = None


class GaugeCell:
    """A value that rises and falls."""

    __slots__ = ("frozen", "labels", "limited", "value")

    def __init__(self, labels: LabelValues, *, limited: bool = False) -> None:
        self.labels = labels
        self.limited = limited
        self.value: int | float = 0
        self.frozen: Scalar | None = None

    def set(self, value: float) -> None:
        """The value now, in stored units."""
        self.value = value
        self.frozen = None

    def freeze(self) -> Scalar:
        """What a page shows."""
        if self.frozen is None:
            self.frozen = Scalar(self.labels, self.value, None)
        return self.frozen


class HistogramCell:
    """A distribution: sketch and classic buckets, each counted on its own.

    Values wait in a list until somebody looks: sorted, they are counted bucket by bucket and not one by one.
    """

    __slots__ = (
        "_bounds", "_classic", "_count", "_last", "_pending", "_sketch", "_total", "_zero", "birth", "encoded",
        "exemplars", "frozen", "labels", "layout", "limited",
    )  # fmt: skip

    def __init__(self, labels: LabelValues, layout: Layout, birth: Birth | None, *, limited: bool = False) -> None:
        self.labels = labels
        self.layout = layout
        self.birth = birth
        self.limited = limited
        self.exemplars: dict[int, Exemplar] = {}
        """Classic index -> newest exemplar."""
        self.frozen: Distribution | None = None
        self.encoded: bytes | None = None
        self._count = self._total = self._zero = 0
        self._sketch: dict[int, int] = {}
        self._classic = [0] * (len(layout.classic) + 1)
        self._pending: list[int] = []
        self._bounds = layout.bounds
        self._last = len(layout.bounds) - 1

    @property
    def count(self) -> int:
        """Number of values."""
        return self._count + len(self._pending)

    @property
    def total(self) -> int:
        """Sum of all values, in stored units."""
        self._fold()
        return self._total

    @property
    def zero(self) -> int:
        """Values of 0; the sketch has no bucket for them."""
        self._fold()
        return self._zero

    @property
    def sketch(self) -> dict[int, int]:
        """Index into ``layout.bounds`` -> values."""
        self._fold()
        return self._sketch

    @property
    def classic(self) -> list[int]:
        """Values by classic bucket."""
        self._fold()
        return self._classic

    def observe(self, value: int) -> None:
        """Count one value, in stored units."""
        pending = self._pending
        pending.append(value)
        if len(pending) >= _MAX_PENDING:
            self._fold()

    def observe_many(self, values: Iterable[int]) -> None:
        """Count values, in stored units."""
        pending = self._pending
        pending.extend(values)
        if len(pending) >= _MAX_PENDING:
            self._fold()

    def _fold(self) -> None:
        if not self._pending:
            return
        values = sorted(self._pending)
        self._pending.clear()
        number = len(values)
        self._count += number
        self._total += sum(values)
        begin = bisect_right(values, 0)
        self._zero += begin
        bounds, last, sketch = self._bounds, self._last, self._sketch
        while begin < number:
            index = bisect_left(bounds, values[begin])
            end = bisect_right(values, bounds[index], begin) if index < last else number
            index = min(index, last)
            sketch[index] = sketch.get(index, 0) + end - begin
            begin = end
        begin, bounds, last = 0, self.layout.classic, len(self._classic) - 1
        while begin < number:
            index = bisect_left(bounds, values[begin])
            end = bisect_right(values, bounds[index], begin) if index < last else number
            self._classic[index] += end - begin
            begin = end
        self.frozen = self.encoded = None

    def observe_binned(
        self, *, sketch: Mapping[int, int], classic: Mapping[int, int], total: int, zero: int = 0
    ) -> None:
        """Count many values that are binned already by `layout`.

        Args:
            sketch: index into ``layout.bounds`` -> number of values > 0.
            classic: index into ``layout.classic`` (its length for +Inf) -> number of values, those of 0 included.
            total: sum of the values, in stored units.
            zero: number of values that are 0.
        """
        for index, number in sketch.items():
            self._sketch[index] = self._sketch.get(index, 0) + number
        for index, number in classic.items():
            self._classic[index] += number
            self._count += number
        self._total += total
        self._zero += zero
        self.frozen = self.encoded = None

    def attach(self, exemplar: Exemplar) -> None:
        """Show *exemplar* at the bucket of its value, unless that has a newer one: Prometheus refuses to go back."""
        index = self.layout.classic_index(exemplar.value)
        shown = self.exemplars.get(index)
        if shown is None or shown.wall_ns < exemplar.wall_ns:
            self.exemplars[index] = exemplar
            self.frozen = None

    def freeze(self) -> Distribution:
        """What a page shows."""
        self._fold()
        if self.frozen is None:
            self.frozen = Distribution(
                self.labels,
                self._count,
                self._total,
                self._zero,
                self._sketch.copy(),
                tuple(self._classic),
                tuple(sorted(self.exemplars.items())),
                self.birth,
            )
        return self.frozen

    def encode(self) -> bytes:
        """One line of the state."""
        self._fold()
        if self.encoded is None:
            flat = [part for item in sorted(self._sketch.items()) for part in item]
            self.encoded = _line(
                [self.labels, int(self.birth is not None), self._count, self._total, self._zero, flat, self._classic]
            )
        return self.encoded

    def restore(self, fields: list, layout: Layout | None) -> None:  # type: ignore[type-arg]  # checked by use
        """Take the values of a line of the state over, of a histogram that had *layout*."""
        self._count, self._total, self._zero, flat, classic = fields
        self._sketch = dict(zip(flat[::2], flat[1::2], strict=True))
        self._classic = classic if layout == self.layout or layout is None else rebin(layout, classic, self)

    def settled(self) -> None:
        """From now on the real value is shown."""
        self.birth = self.frozen = self.encoded = None


def rebin(old: Layout, classic: list[int], cell: HistogramCell) -> list[int]:
    """Classic counts of *old* boundaries for the boundaries of *cell*, whose sketch is complete.

    Counts at boundaries that both have stay exact. At a new one the sketch tells how many values are certainly
    below, held between its neighbours, so that cumulative counts stay in order.
    """
    if len(classic) != len(old.classic) + 1:
        raise StateError(f"a histogram has {len(classic)} classic buckets, {len(old.classic) + 1} are right")
    running = 0
    known: dict[int, int] = {}
    for bound, number in zip(old.classic, classic, strict=False):
        running += number
        known[bound] = running
    cumulative: list[int] = []
    for bound in cell.layout.classic:
        if bound in known:
            cumulative.append(known[bound])
            continue
        certain = cell.zero + sum(n for i, n in cell.sketch.items() if cell.layout.bounds[i] <= bound)
        floor = max([known[b] for b in known if b < bound], default=0)
        ceiling = min([known[b] for b in known if b > bound], default=cell.count)
        cumulative.append(min(max(certain, floor, cumulative[-1] if cumulative else 0), ceiling))
    cumulative.append(cell.count)
    return [high - low for low, high in zip([0, *cumulative], cumulative, strict=False)]


def _line(fields: list[object]) -> bytes:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
