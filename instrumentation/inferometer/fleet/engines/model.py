"""What a mapping of an engine says, as frozen dataclasses: which series of a page is which signal, and how good."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Final

from inferometer.catalog.engines import Signal
from inferometer.fleet import scalars, texts
from inferometer.fleet.engines import kinds
from inferometer.fleet.engines.versions import Range
from inferometer.fleet.engines.vocabulary import Combine, PageType, PageUnit, Part, Quality
from inferometer.fleet.schema import Dictionary, Key, Listing, Nested

GENERIC: Final = ("python_*", "process_*", "go_*", "promhttp_*", "target_info", "scrape_*")
"""What client libraries and collectors add to every page; of no engine."""
REPLICA_SEPARATOR: Final = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """A condition on a label of the page; a label that is not there is empty, as in Prometheus."""

    label: Annotated[str, Key(kinds.LABEL, "Label of the page.")]
    matches: Annotated[str | None, Key(kinds.PATTERN, "Regular expression that its whole value matches.")] = None
    differs: Annotated[str | None, Key(kinds.PATTERN, "Regular expression that its whole value does not match.")] = None
    EXACTLY_ONE = ("matches", "differs")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRule:
    """Where a label comes from."""

    of: Annotated[
        tuple[str, ...],
        Key(
            Listing(kinds.LABEL),
            "Labels of the page; the first that is not empty counts. All of them for `replica`.",
            name="from",
        ),
    ]
    values: Annotated[
        tuple[tuple[str, tuple[str, ...]], ...],
        Key(
            Dictionary(texts.TEXT, Listing(kinds.PATTERN)),
            "What the page's values are here, as regular expressions; series with other values are unknown.",
        ),
    ] = ()
    unknown: Annotated[
        tuple[str, ...], Key(Listing(kinds.PATTERN), "Values that say that nobody knows: the label is absent then.")
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operand:
    """A number of the page."""

    series: Annotated[str, Key(kinds.FAMILY, "Family, as the first spelling writes it.")]
    type: Annotated[PageType | None, Key(kinds.TYPE, "Its declared type, where it is not the signal's.")] = None
    part: Annotated[Part, Key(kinds.PART, "Of a histogram or summary: its sum or its count.")] = Part.ITSELF
    where: Annotated[tuple[Where, ...], Key(Listing(Nested(Where)), "Which of its series.")] = ()
    unit: Annotated[PageUnit, Key(kinds.UNIT, "What the page's number is in.")] = PageUnit.BASE


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that the engine itself tells wrong."""

    what: Annotated[str, Key(kinds.PROSE, "What is wrong, and how it misleads.")]
    evidence: Annotated[str, Key(kinds.PROSE, "How that is known.")]
    versions: Annotated[Range | None, Key(kinds.RANGE, "Where it was seen.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source(Operand):
    """One way in which pages tell a signal."""

    versions: Annotated[
        Range | None, Key(kinds.RANGE, "Versions that tell it so; others are not read so where the version is known.")
    ] = None
    labels: Annotated[
        tuple[tuple[str, LabelRule], ...],
        Key(Dictionary(kinds.LABEL, Nested(LabelRule)), "Where labels come from, where it differs from the engine's."),
    ] = ()
    add: Annotated[
        tuple[Operand, ...], Key(Listing(Nested(Operand)), "Further numbers that are added, as far as they are there.")
    ] = ()
    count: Annotated[
        Operand | None, Key(Nested(Operand), "The number of observations, where the series itself is their sum.")
    ] = None
    over: Annotated[Operand | None, Key(Nested(Operand), "What it is divided by, for a ratio.")] = None
    buckets: Annotated[
        tuple[Decimal, ...],
        Key(Listing(kinds.NUMBER, unique=True), "Boundaries that the engine has by default, in the page's unit."),
    ] = ()
    zero_means_off: Annotated[
        bool, Key(kinds.TRUTH, "It is there at 0 where it is switched off: absent until it was more than 0.")
    ] = False
    sentinels: Annotated[
        tuple[Decimal, ...], Key(Listing(kinds.NUMBER, unique=True), "Numbers that mean that nobody knows.")
    ] = ()
    combine: Annotated[
        Combine | None, Key(kinds.COMBINE, "How several series become one; the sum, of ratios the mean.")
    ] = None
    quality: Annotated[Quality | None, Key(kinds.QUALITY, "How good it is, where not as the signal's.")] = None
    reason: Annotated[str, Key(kinds.PROSE, "Why it is not exact.")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A signal that the engine tells; several entries of one signal set labels that differ."""

    signal: Annotated[Signal, Key(kinds.SIGNAL, "Signal of the catalogue.")]
    set: Annotated[
        tuple[tuple[str, str], ...], Key(Dictionary(kinds.LABEL, texts.TEXT), "Labels of the signal that are fixed.")
    ] = ()
    quality: Annotated[Quality, Key(kinds.QUALITY, "How good it is.")] = Quality.EXACT
    reason: Annotated[str, Key(kinds.PROSE, "Why it is not exact.")] = ""
    flag: Annotated[str, Key(kinds.PROSE, "Option of the engine that switches it on, or makes it better.")] = ""
    faults: Annotated[tuple[Fault, ...], Key(Listing(Nested(Fault)), "What the engine tells wrong.")] = ()
    sources: Annotated[
        tuple[Source, ...],
        Key(Listing(Nested(Source)), "Ways to tell it, the preferred first: one that is on the page counts, no other."),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """Signals that the engine does not tell."""

    signals: Annotated[tuple[Signal, ...], Key(Listing(kinds.SIGNAL, unique=True), "Which ones.")]
    reason: Annotated[str, Key(kinds.PROSE, "Why.")]
    flag: Annotated[str, Key(kinds.PROSE, "Option of the engine that would switch them on.")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """Series of the engine that are no signal."""

    series: Annotated[tuple[str, ...], Key(Listing(kinds.FAMILIES, unique=True), "Families; a * may end a name.")]
    reason: Annotated[str, Key(kinds.PROSE, "Why nobody needs them here.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """A prefix under which the engine's names reach Prometheus."""

    prefix: Annotated[str, Key(kinds.FAMILY, "Prefix of the names.")]
    through: Annotated[str, Key(kinds.PROSE, "What changes the names; empty: the engine's own page.")] = ""
    sums: Annotated[Quality | None, Key(kinds.QUALITY, "How good sums of histograms are that come this way.")] = None
    reason: Annotated[str, Key(kinds.PROSE, "Why.")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detect:
    """How a page is known to be of the engine, by its families."""

    any: Annotated[tuple[str, ...], Key(Listing(kinds.FAMILIES), "One of these is there.")] = ()
    all: Annotated[tuple[str, ...], Key(Listing(kinds.FAMILIES), "All of these are there.")] = ()
    none: Annotated[tuple[str, ...], Key(Listing(kinds.FAMILIES), "None of these is there.")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionLabel:
    """A label that holds the engine's version."""

    series: Annotated[str, Key(kinds.FAMILIES, "Family, or the beginning of several.")]
    label: Annotated[str, Key(kinds.LABEL, "Its label.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A family that tells about the version."""

    series: Annotated[str, Key(kinds.FAMILY, "Family.")]
    since: Annotated[str | None, Key(kinds.VERSION_TEXT, "First version that has it.")] = None
    before: Annotated[str | None, Key(kinds.VERSION_TEXT, "First version that no longer has it.")] = None
    always: Annotated[
        bool, Key(kinds.TRUTH, "Every page of such a version has it, so that a page without it is of another one.")
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """An engine: how its pages are known, and what of them is which signal."""

    version: Annotated[int, Key(scalars.VERSION, "Version of this file's format.")]
    engine: Annotated[str, Key(texts.SLUG, "Name of the engine; the file has it too.")]
    title: Annotated[str, Key(texts.TEXT, "What people call it.")]
    page: Annotated[str, Key(kinds.PROSE, "Where its page is, by default.")]
    enable: Annotated[str, Key(kinds.PROSE, "What switches the page on, where it is off by default.")] = ""
    computes: Annotated[
        bool, Key(kinds.TRUTH, "Whether it works on a device itself, unless said otherwise; a router does not.")
    ] = True
    tested: Annotated[
        tuple[str, ...], Key(Listing(texts.TEXT), "Versions whose captured pages this file is tested with.")
    ] = ()
    spellings: Annotated[
        tuple[Spelling, ...], Key(Listing(Nested(Spelling)), "Prefixes of its names; this file uses the first.")
    ] = ()
    namespace: Annotated[
        tuple[str, ...],
        Key(Listing(kinds.FAMILIES), "Names that are the engine's own; with spellings their prefixes are, too."),
    ] = ()
    detect: Annotated[
        Detect | None, Key(Nested(Detect), "How its pages are known; without it somebody must say the engine.")
    ] = None
    contains: Annotated[
        tuple[str, ...],
        Key(Listing(texts.SLUG), "Engines whose series its pages may carry; they tell what it does not."),
    ] = ()
    version_labels: Annotated[
        tuple[VersionLabel, ...], Key(Listing(Nested(VersionLabel)), "Where a page says the engine's version.")
    ] = ()
    marks: Annotated[tuple[Mark, ...], Key(Listing(Nested(Mark)), "Families that tell about the version.")] = ()
    labels: Annotated[
        tuple[tuple[str, LabelRule], ...],
        Key(Dictionary(kinds.LABEL, Nested(LabelRule)), "Where labels come from, unless a source says otherwise."),
    ] = ()
    signals: Annotated[tuple[Told, ...], Key(Listing(Nested(Told)), "What it tells.")]
    absent: Annotated[tuple[Absence, ...], Key(Listing(Nested(Absence)), "What it does not tell.")] = ()
    ignored: Annotated[tuple[Ignored, ...], Key(Listing(Nested(Ignored)), "Series that are no signal.")] = ()

    @property
    def prefix(self) -> str:
        """The prefix that this file writes."""
        return self.spellings[0].prefix if self.spellings else ""
