"""Series of a page as numbers in fixed places: what a line is, is found out once, the next page brings its value."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from inferometer.errors import SourceError
from inferometer_exporters.pages.exposition import (
    Family,
    Line,
    comment,
    declared_type,
    family,
    number,
    sample,
    unreadable,
)

MOST_WANTED: Final = 100_000
"""Series of one page that are mapped: vLLM has 400 per engine, the largest captured page 2,700."""
MOST_KNOWN: Final = 200_000
"""Lines of one page that are kept in mind; a page of 50 MB has twice as many, and those beyond are read anew."""
_SLACK: Final = 2_000
_UNWANTED: Final = -1
_DECLARATION: Final = -2
_CREATED: Final = "_created"
"""Client libraries in Python add the time at which a series was made, and declare it a gauge."""

Values = list[float | None]


class _TooManyError(Exception):
    """A page has more series than are mapped."""


class Raw(NamedTuple):
    """A series of a page that somebody wants."""

    name: str
    """Of its sample, as the mapping writes it."""
    family: Family
    labels: Mapping[str, str]
    spelling: int
    """Which of the mapping's spellings the page uses; 0 is the mapping's own."""
    text: str
    """Name and labels as the page writes them."""


@dataclass(frozen=True, slots=True)
class Named:
    """A family's name in the mapping's own spelling."""

    name: str
    spelling: int


class RawPage:
    """The series of one page, over many scrapes.

    Args:
        named: the mapping's spelling of a name on the page.
        wants: whether a series of a family can be of use; asked once per family and part.
    """

    def __init__(self, named: Callable[[str], Named], wants: Callable[[Family], bool]) -> None:
        self._named = named
        self._wants = wants
        self.generation = 0
        """Counts up when places are given anew."""
        self.clear()

    def remember(self, series: Iterable[Raw]) -> None:
        """Give places to series of earlier pages, whether they are on the next or not."""
        for raw in series:
            if raw.text not in self._known:
                self._known[raw.text] = len(self.series)
                self.series.append(raw)

    def clear(self) -> None:
        """Forget everything."""
        self.generation += 1
        self.series: list[Raw] = []
        """Those that are wanted; their place in it is their place in `update`'s result."""
        self.families: dict[str, Family] = {}
        """Families by the name of their samples on the page, wanted or not, since the last `clear`."""
        self.sized = 0
        """Samples on the last page."""
        self._types: dict[str, str] = {}
        self._declared = 0
        """Lines of the page that declare a type."""
        self._known: dict[str, int] = {}
        self._said: dict[str, str] = {}
        self._resolved: dict[str, tuple[str, Family, int] | None] = {}

    def update(self, text: str) -> Values:
        """The numbers of a page, by place in `series`; None where the series is not on it.

        Raises:
            SourceError: a line is none.
        """
        try:
            lines = text.split("\n")
            if len(self._known) > 2 * len(lines) + _SLACK:
                # Most of what is kept in mind has gone from the page.
                self.clear()
            values = self._read(lines)
            if values is None:
                gone = self.series
                self.clear()
                values = self._read(lines)
                if values is not None:
                    # What is not on the page now was counted, and may come again.
                    self.remember(raw for raw in gone if self._is_still(raw))
                    values += [None] * (len(self.series) - len(values))
        except _TooManyError as error:
            self.clear()
            raise SourceError(str(error), why="too_large") from error
        except ValueError as error:
            raise SourceError(f"the page is not in Prometheus' text format: {error}", why="unreadable") from error
        assert values is not None  # noqa: S101 - nothing was declared before
        return values

    def _is_still(self, raw: Raw) -> bool:
        """Whether the page does not declare another type for a series of earlier pages."""
        now = family(sample(f"{raw.text} 0").name, self._types)
        return raw.family.type != "untyped" and now.type in {raw.family.type, "untyped"}

    def _read(self, lines: list[str]) -> Values | None:
        """The numbers; None where the page declares another type for what is known already."""
        known, said = self._known, self._said
        read: list[str | float | None] = [None] * len(self.series)
        new: list[int] = []
        unwanted = declared = 0
        for place, line in enumerate(lines):
            key, _, value = line.rpartition(" ")
            slot = known.get(key)
            if slot is None:
                new.append(place)
            elif slot >= 0:
                read[slot] = value
            elif slot == _UNWANTED:
                unwanted += 1
            elif said[key] != value:
                return None
            else:
                declared += 1
        if declared < self._declared:
            # What is declared no longer may be something else now.
            return None
        if new and not self._declarations(lines, new):
            return None
        labels: dict[str, Mapping[str, str]] = {}
        for place in new:
            unwanted += self._sample(lines[place], place, read, labels)
        self.sized = unwanted + len(read) - read.count(None)
        return [value if value is None or value.__class__ is float else number(value) for value in read]  # type: ignore[arg-type]  # the others are text

    def _declarations(self, lines: list[str], places: list[int]) -> bool:
        """Take in what new comments declare, before the samples, wherever they stand; False where types change."""
        for place in places:
            line = lines[place].lstrip(" \t")
            if not line.startswith("#") or (declared := comment(line)) is None:
                continue
            kind, name, word = declared
            if kind != "TYPE":
                continue
            if name not in self._types and self._was_another(name, declared_type(word)):
                return False
            # Where a family is declared twice, the first counts.
            self._types.setdefault(name, declared_type(word))
            self._declared += 1
            key, _, value = lines[place].rpartition(" ")
            if self._said.setdefault(key, value) == value:
                self._known[key] = _DECLARATION
        return True

    def _was_another(self, name: str, declared: str) -> bool:
        """Whether series of earlier pages were of another type than the page says now."""
        if any(of.type == "untyped" and of.name.startswith(name) for of in self.families.values()):
            return True
        return any(
            raw.text.startswith(name) and raw.family.type != declared and _of(raw.text, name) for raw in self.series
        )

    def _sample(
        self, line: str, place: int, read: list[str | float | None], labels: dict[str, Mapping[str, str]]
    ) -> int:
        """Read a line that is not known; 1 if it is a sample that nobody wants."""
        found = self._alike(line, labels)
        if found is None:
            bare = line.strip()
            if not bare or bare.startswith("#"):
                return 0
            try:
                found = sample(line, labels)
            except ValueError as error:
                raise unreadable(place + 1, error) from error
        slot = self._known.get(found.series)
        if slot is None or slot == _DECLARATION:
            slot = self._slot(found)
            # Only what has the usual form is found again by its text up to the value.
            if len(self._known) < MOST_KNOWN:
                self._known[found.series] = slot
        if slot < 0:
            return 1
        if slot == len(read):
            read.append(found.value)
        else:
            read[slot] = found.value
        return 0

    def _alike(self, line: str, labels: Mapping[str, Mapping[str, str]]) -> Line | None:
        """A line whose name and whose labels stood in others before; None of any that is not just that."""
        series, _, value = line.rpartition("} ")
        name, _, text = series.partition("{")
        if name not in self._resolved or (of := labels.get(text)) is None:
            return None
        try:
            return Line(name, of, number(value), f"{series}}}")
        except ValueError:
            return None

    def _slot(self, found: Line) -> int:
        if found.name not in self._resolved:
            self._resolved[found.name] = self._resolve(found.name)
        resolved = self._resolved[found.name]
        if resolved is None:
            return _UNWANTED
        if len(self.series) >= MOST_WANTED:
            raise _TooManyError(f"the page has more than {MOST_WANTED:,} series of the engine")
        name, of, spelling = resolved
        self.series.append(Raw(name, of, found.labels, spelling, found.series))
        return len(self.series) - 1

    def _resolve(self, name: str) -> tuple[str, Family, int] | None:
        """A sample's name, its family and spelling, as the mapping calls them; None where nobody wants it."""
        of = family(name, self._types)
        if name.endswith(_CREATED) and name.removesuffix(_CREATED) not in {"", name}:
            return None
        named, own = self._named(of.name), self._named(name).name
        self.families[name] = of
        of = Family(named.name, of.type, of.part)
        if self._wants(of):
            return own, of, named.spelling
        if of.type == "untyped":
            # A page that declares nothing: what a suffix means, the mapping knows.
            for part in ("bucket", "sum", "count"):
                base = named.name.removesuffix(f"_{part}")
                guess = Family(base, "histogram", part)
                if base != named.name and self._wants(guess):
                    return own, guess, named.spelling
        return None


def _of(text: str, name: str) -> bool:
    """Whether a series is of a family of this name."""
    own = text.partition("{")[0].rstrip()
    return own == name or own.removeprefix(f"{name}_") in {"bucket", "sum", "count", "total"}
