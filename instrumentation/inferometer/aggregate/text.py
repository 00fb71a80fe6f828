"""Text pages: Prometheus text 0.0.4 and OpenMetrics 1.0, by %-format on static templates."""

from collections.abc import Mapping
from functools import lru_cache
from itertools import accumulate
from typing import Final, NamedTuple

from inferometer.aggregate.layout import Layout
from inferometer.aggregate.sample import Buckets, Distribution, Exemplar, Family, Plain, Sample, Scalar, Snapshot
from inferometer.catalog.model import Series
from inferometer.catalog.spans import EXEMPLAR_TRACE_ID

_TOTAL: Final = "_total"
_EXACT: Final = 2**53
"""Whole numbers below it are what they are."""
_Key = tuple[str, tuple[str, ...]]


class _Shown(NamedTuple):
    """What the last page had of a series."""

    sample: Sample
    text: str
    exemplars: Mapping[int, tuple[Exemplar, str]]
    """By bucket: most of them outlive many pages."""


class TextRenderer:
    """Renders snapshots; text of series that did not change since the last page is taken over.

    Args:
        openmetrics: OpenMetrics 1.0 with exemplars and units, otherwise text 0.0.4.
    """

    def __init__(self, *, openmetrics: bool) -> None:
        self._openmetrics = openmetrics
        self._shown: dict[_Key, _Shown] = {}
        self._templates: dict[_Key, str] = {}

    def render(self, snapshot: Snapshot) -> bytes:
        """The page. Safe in several threads at once: caches are replaced, never changed in place."""
        known, shown = self._shown, dict[_Key, _Shown]()
        templates = dict[_Key, str]()
        out: list[str] = []
        last = ""
        for family in snapshot.families:
            name = family.entry.name
            if name != last:
                out.append(self._head(family.entry))
            last = name
            for sample in family.samples:
                key = name, sample.labels
                before = known.get(key)
                if isinstance(sample, Distribution):
                    template = self._templates.get(key) or self._template(family, sample.labels)
                    templates[key] = template
                    if before is None or before.sample is not sample:
                        before = self._distribution(template, sample, family.entry.scale, before)
                elif before is None or before.sample is not sample:
                    text = (
                        _scalar(family.entry, sample) if isinstance(sample, Scalar) else _others(family.entry, sample)
                    )
                    before = _Shown(sample, text, {})
                shown[key] = before
                out.append(before.text)
        if self._openmetrics:
            out.append("# EOF\n")
        self._shown, self._templates = shown, templates
        return "".join(out).encode()

    def _head(self, entry: Series) -> str:
        name = entry.name
        if self._openmetrics and entry.kind == "counter":
            name = name.removesuffix(_TOTAL)
        unit = entry.unit.value
        said = f"# UNIT {name} {unit}\n" if self._openmetrics and unit and name.endswith(f"_{unit}") else ""
        return f"# HELP {name} {_escaped(entry.help)}\n# TYPE {name} {entry.kind}\n{said}"

    def _distribution(self, template: str, sample: Distribution, scale: int, before: _Shown | None) -> _Shown:
        buckets = len(sample.classic)
        step = 2 if self._openmetrics else 1
        values: list[object] = [""] * (buckets * step + 2)
        texts: dict[int, tuple[Exemplar, str]] = {}
        if sample.birth is not None:
            values[: buckets * step : step] = [0] * buckets
            values[-2:] = 0, "0.0"
        else:
            values[: buckets * step : step] = accumulate(sample.classic)
            values[-2:] = sample.count, repr(sample.total / scale)
            if self._openmetrics and sample.exemplars:
                known = before.exemplars if before is not None else {}
                for index, exemplar in sample.exemplars:
                    shown = known.get(index)
                    if shown is None or shown[0] is not exemplar:
                        shown = exemplar, _exemplar(exemplar, scale)
                    texts[index] = shown
                    values[2 * index + 1] = shown[1]
        return _Shown(sample, template % tuple(values), texts)

    def _template(self, family: Family, labels: tuple[str, ...]) -> str:
        name, layout = family.entry.name, family.layout
        assert layout is not None  # noqa: S101 - distributions come with a layout
        pairs = _pairs(family.entry, labels).replace("%", "%%")
        begin = f'{name}_bucket{{{pairs}{"," if pairs else ""}le="'
        end = '"} %d%s\n' if self._openmetrics else '"} %d\n'
        braced = f"{{{pairs}}}" if pairs else ""
        buckets = (end + begin).join(_boundaries(layout))
        return f"{begin}{buckets}{end}{name}_count{braced} %d\n{name}_sum{braced} %s\n"


@lru_cache(maxsize=64)
def _boundaries(layout: Layout) -> tuple[str, ...]:
    return (*(repr(bound / layout.scale) for bound in layout.classic), "+Inf")


def _exemplar(exemplar: Exemplar, scale: int) -> str:
    value, moment = exemplar.value / scale, exemplar.wall_ns / 10**9
    return f' # {{{EXEMPLAR_TRACE_ID}="{exemplar.trace_id:032x}"}} {value!r} {moment:.3f}'


def _scalar(entry: Series, sample: Scalar) -> str:
    pairs = _pairs(entry, sample.labels)
    value = 0 if sample.birth is not None else sample.value
    text = repr(value) if entry.scale == 1 else repr(value / entry.scale)
    return f"{entry.name}{{{pairs}}} {text}\n" if pairs else f"{entry.name} {text}\n"


def _others(entry: Series, sample: Plain | Buckets) -> str:
    """A series that somebody else keeps."""
    pairs = _pairs(entry, sample.labels)
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
