"""Text pages: Prometheus text 0.0.4 and OpenMetrics 1.0, by %-format on static templates."""

from collections.abc import Iterator
from itertools import accumulate, chain
from typing import Final

from inferometer.aggregate.layout import Layout
from inferometer.aggregate.sample import Distribution, Exemplar, Family, Sample, Scalar, Snapshot
from inferometer.catalog.model import Series
from inferometer.catalog.spans import EXEMPLAR_TRACE_ID

_TOTAL: Final = "_total"
_Key = tuple[str, tuple[str, ...]]


class TextRenderer:
    """Renders snapshots; text of series that did not change since the last page is taken over.

    Args:
        openmetrics: OpenMetrics 1.0 with exemplars and units, otherwise text 0.0.4.
    """

    def __init__(self, *, openmetrics: bool) -> None:
        self._openmetrics = openmetrics
        self._texts: dict[_Key, tuple[Sample, str]] = {}
        self._templates: dict[_Key, str] = {}

    def render(self, snapshot: Snapshot) -> bytes:
        """The page. Safe in several threads at once: caches are replaced, never changed in place."""
        known, made = self._texts, dict[_Key, tuple[Sample, str]]()
        templates = dict[_Key, str]()
        out: list[str] = []
        for family in snapshot.families:
            out.append(self._head(family.entry))
            name = family.entry.name
            for sample in family.samples:
                key = name, sample.labels
                cached = known.get(key)
                if isinstance(sample, Scalar):
                    if cached is None or cached[0] is not sample:
                        cached = sample, _scalar(family.entry, sample)
                else:
                    template = self._templates.get(key) or _template(family, sample.labels)
                    templates[key] = template
                    if cached is None or cached[0] is not sample:
                        cached = sample, self._distribution(template, sample, family.entry.scale)
                made[key] = cached
                out.append(cached[1])
        if self._openmetrics:
            out.append("# EOF\n")
        self._texts, self._templates = made, templates
        return "".join(out).encode()

    def _head(self, entry: Series) -> str:
        name = entry.name
        if self._openmetrics and entry.kind == "counter":
            name = name.removesuffix(_TOTAL)
        unit = entry.unit.value
        said = f"# UNIT {name} {unit}\n" if self._openmetrics and unit and name.endswith(f"_{unit}") else ""
        return f"# HELP {name} {_escaped(entry.help)}\n# TYPE {name} {entry.kind}\n{said}"

    def _distribution(self, template: str, sample: Distribution, scale: int) -> str:
        if sample.birth is not None:
            empty = ("0", "") * len(sample.classic)
            return template % (*empty, 0, "0.0")
        cumulative = accumulate(sample.classic)
        total = repr(sample.total / scale)
        if not (self._openmetrics and sample.exemplars):
            pairs = chain.from_iterable((number, "") for number in cumulative)
            return template % (*pairs, sample.count, total)
        texts = {index: _exemplar(exemplar, scale) for index, exemplar in sample.exemplars}
        pairs_with = chain.from_iterable((number, texts.get(i, "")) for i, number in enumerate(cumulative))
        return template % (*pairs_with, sample.count, total)


def _template(family: Family, labels: tuple[str, ...]) -> str:
    name, layout = family.entry.name, family.layout
    assert layout is not None  # noqa: S101 - distributions come with a layout
    pairs = _pairs(family.entry, labels).replace("%", "%%")
    begin = f'{name}_bucket{{{pairs}{"," if pairs else ""}le="'
    lines = [f'{begin}{le}"}} %s%s\n' for le in _boundaries(layout)]
    braced = f"{{{pairs}}}" if pairs else ""
    return "".join((*lines, f"{name}_count{braced} %d\n", f"{name}_sum{braced} %s\n"))


def _boundaries(layout: Layout) -> Iterator[str]:
    for bound in layout.classic:
        yield repr(bound / layout.scale)
    yield "+Inf"


def _exemplar(exemplar: Exemplar, scale: int) -> str:
    value, moment = exemplar.value / scale, exemplar.wall_ns / 10**9
    return f' # {{{EXEMPLAR_TRACE_ID}="{exemplar.trace_id:032x}"}} {value!r} {moment:.3f}'


def _scalar(entry: Series, sample: Scalar) -> str:
    pairs = _pairs(entry, sample.labels)
    value = 0 if sample.birth is not None else sample.value
    text = repr(value) if entry.scale == 1 else repr(value / entry.scale)
    return f"{entry.name}{{{pairs}}} {text}\n" if pairs else f"{entry.name} {text}\n"


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
