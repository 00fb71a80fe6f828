"""Text pages: Prometheus text 0.0.4 and OpenMetrics 1.0.

A page of a thousand histograms is fifty thousand lines, so a histogram's are joined by columns: what they begin with,
the boundaries, the numbers. A template with places for the numbers is read character by character, which takes longer.
"""

from collections.abc import Mapping
from functools import lru_cache
from itertools import accumulate
from typing import Final, NamedTuple

from inferometer.aggregate.layout import Layout
from inferometer.aggregate.sample import Buckets, Distribution, Exemplar, Plain, Sample, Scalar, Snapshot
from inferometer.catalog.model import Series
from inferometer.catalog.spans import EXEMPLAR_TRACE_ID

_TOTAL: Final = "_total"
_EXACT: Final = 2**53
"""Whole numbers below it are what they are."""
_EXEMPLAR: Final = f' # {{{EXEMPLAR_TRACE_ID}="%032x"}} %r %d.%03d'
_HALF_NS: Final = 500_000
"""Half of the thousandth of a second to which a moment is rounded."""
_Key = tuple[str, tuple[str, ...]]
_ExemplarTexts = Mapping[int, tuple[Exemplar, str]]
"""By bucket: most of them outlive many pages."""


class _Shown(NamedTuple):
    """What the last page had of a series."""

    sample: Sample
    text: str
    pairs: str
    """Its labels."""
    exemplars: _ExemplarTexts


class TextRenderer:
    """Renders snapshots; text of series that did not change since the last page is taken over.

    Args:
        openmetrics: OpenMetrics 1.0 with exemplars and units, otherwise text 0.0.4.
    """

    def __init__(self, *, openmetrics: bool) -> None:
        self._openmetrics = openmetrics
        self._shown: dict[_Key, _Shown] = {}

    def render(self, snapshot: Snapshot) -> bytes:
        """The page. Safe in several threads at once: caches are replaced, never changed in place."""
        known, shown = self._shown, dict[_Key, _Shown]()
        out: list[str] = []
        last = ""
        for family in snapshot.families:
            name = family.entry.name
            if name != last:
                out.append(self._head(family.entry))
            last = name
            bounds = _boundaries(family.layout) if family.layout is not None else ()
            for sample in family.samples:
                key = name, sample.labels
                before = known.get(key)
                if before is None or before.sample is not sample:
                    before = self._made(family.entry, sample, bounds, before)
                shown[key] = before
                out.append(before.text)
        if self._openmetrics:
            out.append("# EOF\n")
        self._shown = shown
        return "".join(out).encode()

    def _head(self, entry: Series) -> str:
        name = entry.name
        if self._openmetrics and entry.kind == "counter":
            name = name.removesuffix(_TOTAL)
        unit = entry.unit.value
        said = f"# UNIT {name} {unit}\n" if self._openmetrics and unit and name.endswith(f"_{unit}") else ""
        return f"# HELP {name} {_escaped(entry.help)}\n# TYPE {name} {entry.kind}\n{said}"

    def _made(self, entry: Series, sample: Sample, bounds: tuple[str, ...], before: _Shown | None) -> _Shown:
        pairs = _pairs(entry, sample.labels) if before is None else before.pairs
        if isinstance(sample, Distribution):
            return self._distribution(entry, sample, bounds, pairs, before.exemplars if before is not None else {})
        text = _scalar(entry, sample, pairs) if isinstance(sample, Scalar) else _others(entry, sample, pairs)
        return _Shown(sample, text, pairs, {})

    def _distribution(
        self, entry: Series, sample: Distribution, bounds: tuple[str, ...], pairs: str, known: _ExemplarTexts
    ) -> _Shown:
        born = sample.birth is not None
        count, total = (0, 0.0) if born else (sample.count, sample.total / entry.scale)
        numbers = ["0"] * len(bounds) if born else list(map(str, accumulate(sample.classic)))
        texts: dict[int, tuple[Exemplar, str]] = {}
        for index, exemplar in sample.exemplars if self._openmetrics and not born else ():
            shown = known.get(index)
            if shown is None or shown[0] is not exemplar:
                shown = exemplar, _exemplar(exemplar, entry.scale)
            texts[index] = shown
            numbers[index] += shown[1]
        name, braced = entry.name, f"{{{pairs}}}" if pairs else ""
        lines = [f'\n{name}_bucket{{{pairs}{"," if pairs else ""}le="'] * (3 * len(bounds))
        lines[0] = lines[0].removeprefix("\n")
        lines[1::3] = bounds
        lines[2::3] = numbers
        lines.append(f"\n{name}_count{braced} {count}\n{name}_sum{braced} {total!r}\n")
        return _Shown(sample, "".join(lines), pairs, texts)


@lru_cache(maxsize=64)
def _boundaries(layout: Layout) -> tuple[str, ...]:
    """What stands between a line's beginning and its number."""
    return (*(f'{bound / layout.scale!r}"}} ' for bound in layout.classic), '+Inf"} ')


def _exemplar(exemplar: Exemplar, scale: int) -> str:
    seconds, thousandths = divmod((exemplar.wall_ns + _HALF_NS) // 10**6, 1000)
    return _EXEMPLAR % (exemplar.trace_id, exemplar.value / scale, seconds, thousandths)


def _scalar(entry: Series, sample: Scalar, pairs: str) -> str:
    value = 0 if sample.birth is not None else sample.value
    text = repr(value) if entry.scale == 1 else repr(value / entry.scale)
    return f"{entry.name}{{{pairs}}} {text}\n" if pairs else f"{entry.name} {text}\n"


def _others(entry: Series, sample: Plain | Buckets, pairs: str) -> str:
    """A series that somebody else keeps."""
    name, braced = entry.name, f"{{{pairs}}}" if pairs else ""
    if isinstance(sample, Plain):
        return f"{name}{braced} {_number(0.0 if sample.birth is not None else sample.value)}\n"
    begin = f'{name}_bucket{{{pairs}{"," if pairs else ""}le="'
    born = sample.birth is not None
    lines = [
        f'{begin}{bound!r}"}} {_number(0.0 if born else number)}\n'
        for bound, number in zip(sample.bounds, sample.cumulative, strict=True)
    ]
    count = _number(0.0 if born else sample.count)
    lines.append(f'{begin}+Inf"}} {count}\n{name}_count{braced} {count}\n')
    if sample.total is not None:
        lines.append(f"{name}_sum{braced} {_number(0.0 if born else sample.total)}\n")
    return "".join(lines)


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value)


def _pairs(entry: Series, labels: tuple[str, ...]) -> str:
    # An empty label value means the same as no label; leaving it out keeps the page small.
    return ",".join(
        f'{name}="{_escaped(value).replace(_QUOTE, _ESCAPED_QUOTE)}"'
        for name, value in zip(entry.label_names, labels, strict=True)
        if value
    )


_QUOTE: Final = '"'
_ESCAPED_QUOTE: Final = '\\"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")
