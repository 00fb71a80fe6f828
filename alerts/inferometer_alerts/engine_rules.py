"""Recording rules that make our series of an engine's own, for services that Prometheus scrapes itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import inf
from typing import Final

from inferometer.catalog import engines as catalog
from inferometer.catalog.labels import ENGINE, ENGINE_VERSION, REPLICA, SERVICE, VERSION_FROM
from inferometer.catalog.model import Series, Unit
from inferometer.fleet import engines
from inferometer.fleet.engines import Mapping, Quality
from inferometer.fleet.engines.model import Operand, Source, Told
from inferometer.fleet.engines.versions import numbers
from inferometer.fleet.engines.vocabulary import Combine, PageType, PageUnit
from inferometer.fleet.page_access import PageAccess
from inferometer.promql import Part, quote
from inferometer_alerts.engine_selectors import (
    Selected,
    Variant,
    in_base_units,
    is_whole_histogram,
    marked,
    presence,
    recorded_labels,
    relabelled,
    rules_of,
    selected,
    variants,
)
from inferometer_alerts.prometheus_series import UP
from inferometer_alerts.rule_labels import INSTANCE, JOB
from inferometer_alerts.yaml_text import Yaml

INTERVAL: Final = "15s"
"""As often as pages are scraped."""
LE: Final = "le"
INFINITE: Final = "+Inf"
_LOWEST_PLAIN: Final = -4
_FIRST_EXPONENT: Final = 6
"""Powers of ten between which Go's format `g` has no exponent."""
_HOW: Final = {Combine.SUM: "sum", Combine.MAX: "max", Combine.MEAN: "avg"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Pages of one engine in one version that ask for the same: what Prometheus scrapes under one name."""

    name: str
    engine: str
    version: str | None = None
    access: PageAccess | None = None


def rules(job: Job) -> list[Yaml]:
    """The rules of a job, signal by signal."""
    mapping = engines.load(job.engine)
    contained = [engines.load(name) for name in mapping.contains]
    written: list[_Rule] = list(_about(job))
    mine: dict[str, list[str]] = {}
    for told in mapping.signals:
        sources = _sources(told, job.version)
        mine.setdefault(told.signal.name, []).extend(presence(job.name, told, source) for source in sources)
        written += _entry(job, mapping, told, sources, [])
    for other in contained:
        for told in other.signals:
            # What the page's own engine tells comes first.
            written += _entry(job, other, told, _sources(told, None), mine.get(told.signal.name, []))
    together: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}
    for rule in written:
        together.setdefault((rule.record, rule.labels), []).append(rule.expr)
    return [_yaml(record, labels, exprs) for (record, labels), exprs in together.items()]


@dataclass(frozen=True, slots=True)
class _Rule:
    """What one source makes of a series; no page has two sources of one series."""

    record: str
    expr: str
    labels: tuple[tuple[str, str], ...] = ()


def _yaml(record: str, labels: tuple[tuple[str, str], ...], exprs: list[str]) -> Yaml:
    expr = exprs[0] if len(exprs) == 1 else "\nor\n".join(f"({one})" for one in exprs)
    written: dict[str, Yaml] = {"record": record, "expr": expr}
    return {**written, "labels": dict(labels)} if labels else written


def _about(job: Job) -> Iterator[_Rule]:
    """Whether a page is read, and whose it is."""
    up = f"{UP.name}{{{JOB.name}={quote(job.name)}}}"
    by = f"{SERVICE.name}, {REPLICA.name}"
    replica = f'label_replace({up}, "{REPLICA.name}", "$1", "{INSTANCE.name}", "(.*)")'
    yield _Rule(catalog.UP.name, f"max by ({by}) ({replica})")
    said = VERSION_FROM.values[1] if job.version is not None else VERSION_FROM.values[-1]
    labels = ((ENGINE.name, job.engine), (ENGINE_VERSION.name, job.version or ""), (VERSION_FROM.name, said))
    yield _Rule(catalog.INFO.name, f"group by ({by}) ({replica})", tuple(label for label in labels if label[1]))


def _sources(told: Told, version: str | None) -> list[Source]:
    """Ways that this version may tell a signal; one that is found like an earlier one is never looked at."""
    exact = numbers(version) if version is not None else None
    found: list[Source] = []
    seen: set[tuple[object, ...]] = set()
    for source in told.sources:
        key = source.series, source.type, source.part, source.where
        if (source.versions is None or exact is None or exact in source.versions) and key not in seen:
            seen.add(key)
            found.append(source)
    return found


def _entry(
    job: Job, mapping: Mapping, told: Told, sources: Sequence[Source], preferred: Sequence[str]
) -> Iterator[_Rule]:
    """Rules of one entry: those of each source are silent on pages that have a preferred one."""
    before = list(preferred)
    for source in sources:
        writer = _Writer(job.name, mapping, told, source, tuple(before))
        for variant in variants(mapping, told, source):
            yield from writer.rules(variant)
        before.append(presence(job.name, told, source))


class _Writer:
    """Rules of one source."""

    def __init__(self, job: str, mapping: Mapping, told: Told, source: Source, before: tuple[str, ...]) -> None:
        self._job = job
        self._mapping = mapping
        self._told = told
        self._source = source
        self._before = before
        self._rules = rules_of(mapping, source)
        self._here = presence(job, told, source)
        part = selected(job, source).name
        self._own = {part, *(f"{part}{suffix.value}" for suffix in Part)}
        self._entry: Series = catalog.of_engine(told.signal.entry)

    def rules(self, variant: Variant) -> Iterator[_Rule]:
        source, told = self._source, self._told
        if told.signal.entry.kind != "histogram":
            yield self._rule(variant, Part.ITSELF, self._number(variant))
        elif is_whole_histogram(told, source):
            yield from self._histogram(variant)
        elif source.type is PageType.SUMMARY and source.count is None:
            count = self._total(variant, [(selected(self._job, source, suffix="_count"), PageUnit.BASE)])
            total = self._total(variant, [(selected(self._job, source, suffix="_sum"), source.unit)])
            yield from self._mean(variant, count, total)
        elif source.count is not None:
            count = self._total(variant, [(self._of(source.count), PageUnit.BASE)])
            total = self._total(variant, [(self._of(one), one.unit) for one in (source, *source.add)])
            yield from self._mean(variant, count, total)

    def _of(self, operand: Operand) -> Selected:
        return selected(self._job, operand)

    def _mean(self, variant: Variant, count: str, total: str) -> Iterator[_Rule]:
        yield self._rule(variant, Part.BUCKET, count, INFINITE)
        yield self._rule(variant, Part.COUNT, count)
        yield self._rule(variant, Part.SUM, total)

    def _histogram(self, variant: Variant) -> Iterator[_Rule]:
        source = self._source
        buckets = selected(self._job, source, suffix="_bucket")
        if source.unit is PageUnit.BASE:
            finite = buckets.having(f"{LE}!~{quote(_written(inf))}")
            yield self._rule(variant, Part.BUCKET, self._total(variant, [(finite, PageUnit.BASE)], also=(LE,)))
        else:
            for bound in map(float, source.buckets):
                one = buckets.having(f"{LE}=~{quote(_written(bound))}")
                scaled = bound * source.unit.factor.numerator / source.unit.factor.denominator
                yield self._rule(variant, Part.BUCKET, self._total(variant, [(one, PageUnit.BASE)]), _le(scaled))
        count = self._total(variant, [(selected(self._job, source, suffix="_count"), PageUnit.BASE)])
        # All values are up to infinity, also on a page that writes that otherwise, or not at all.
        yield self._rule(variant, Part.BUCKET, count, INFINITE)
        yield self._rule(variant, Part.COUNT, count)
        spellings = self._mapping.spellings
        if not spellings or spellings[0].sums is not Quality.ABSENT:
            sums = selected(self._job, source, suffix="_sum")
            yield self._rule(variant, Part.SUM, self._total(variant, [(sums, source.unit)]))

    def _number(self, variant: Variant) -> str:
        source = self._source
        terms = [(self._of(one), one.unit) for one in (source, *source.add)]
        usual = Combine.MEAN if self._entry.unit is Unit.RATIO and source.over is None else Combine.SUM
        value = self._total(variant, terms, how=source.combine or usual)
        if source.over is not None:
            over = self._total(variant, [(self._of(source.over), source.over.unit)])
            value = f"{value}\n/\n({over} != 0)"
        return f"{value} > 0" if source.zero_means_off else value

    def _total(
        self,
        variant: Variant,
        terms: Sequence[tuple[Selected, PageUnit]],
        *,
        also: tuple[str, ...] = (),
        how: Combine = Combine.SUM,
    ) -> str:
        """Terms in base units, added up by our labels."""
        labels = recorded_labels(self._told, variant, self._rules)
        vectors = []
        for number, (of, unit) in enumerate(terms):
            text = self._chosen(in_base_units(self._valid(of.of(variant)), unit), of)
            text = relabelled(text, labels, self._rules)
            vectors.append(marked(text, number) if len(terms) > 1 else text)
        together = "\nor\n".join(vectors)
        return f"{_HOW[how]} by ({', '.join((*labels, *also))}) ({together})"

    def _chosen(self, text: str, of: Selected) -> str:
        """A vector on the pages that have this source, and none that comes before it."""
        if of.name not in self._own:
            text = f"({text}) and on ({SERVICE.name}, {INSTANCE.name}) {self._here}"
        if self._before:
            text = f"({text}) unless on ({SERVICE.name}, {INSTANCE.name}) ({' or '.join(self._before)})"
        return text

    def _valid(self, text: str) -> str:
        """A vector without numbers that say nothing."""
        for sentinel in self._source.sentinels:
            text = f"({text} != {float(sentinel):g})"
        # What is no number is not greater than anything.
        return f"({text} >= -Inf)" if self._entry.kind == "gauge" else text

    def _rule(self, variant: Variant, part: Part, expr: str, le: str | None = None) -> _Rule:
        bound = () if le is None else ((LE, le),)
        return _Rule(f"{self._entry.name}{part.value}", expr, (*variant.labels, *bound))


def _written(bound: float) -> str:
    """A boundary as pages and Prometheus may write it, as a regular expression."""
    if bound == inf:
        return r"\+?Inf"
    forms = {repr(bound), f"{bound:g}", _le(bound)} | ({str(int(bound))} if bound.is_integer() else set())
    return "|".join(form.replace(".", r"\.").replace("+", r"\+") for form in sorted(forms))


def _le(bound: float) -> str:
    """A boundary as Prometheus 3 writes it when it takes a page in: Go's shortest form (`g`), with a point."""
    power = Decimal(repr(bound)).adjusted()
    if _LOWEST_PLAIN <= power < _FIRST_EXPONENT:
        return repr(bound)
    sign, digits, _ = Decimal(repr(bound)).normalize().as_tuple()
    rest = "".join(map(str, digits[1:]))
    return f"{'-' * sign}{digits[0]}{'.' * bool(rest)}{rest}e{'-' if power < 0 else '+'}{abs(power):02d}"
