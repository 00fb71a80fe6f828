"""Versions of engines and ranges of them: numbers between dots count, what follows them (``.post2``) does not."""

import re
from dataclasses import dataclass
from typing import Final, Self

_NUMBERS: Final = re.compile(r"v?([0-9]+(?:\.[0-9]+)*)", re.ASCII)
_CONDITION: Final = re.compile(r"(<|>=)([0-9]+(?:\.[0-9]+)*)", re.ASCII)

Numbers = tuple[int, ...]


def numbers(version: str) -> Numbers | None:
    """The numbers that a version begins with, without zeros at its end; None where it begins otherwise."""
    found = _NUMBERS.match(version.strip())
    return None if found is None else _trimmed(found[1])


def _trimmed(text: str) -> Numbers:
    parts = [int(part) for part in text.split(".")]
    while parts and not parts[-1]:
        parts.pop()
    return tuple(parts)


@dataclass(frozen=True, slots=True)
class Range:
    """Versions from one on and below another; each end may be open."""

    since: Numbers | None = None
    """First version that is in it."""
    before: Numbers | None = None
    """First version that is no longer in it."""
    text: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """A range as ``>=0.9 <0.12``: from the first version on, before the second.

        Raises:
            ValueError: it is none.
        """
        since = before = None
        for part in text.split():
            found = _CONDITION.fullmatch(part)
            if found is None:
                raise ValueError(f"{part!r} is neither >=VERSION nor <VERSION")
            if found[1] == "<":
                before = _trimmed(found[2])
            else:
                since = _trimmed(found[2])
        if since is None and before is None:
            raise ValueError("it says nothing")
        if since is not None and before is not None and since >= before:
            raise ValueError("no version is in it")
        return cls(since, before, " ".join(text.split()))

    def __contains__(self, version: Numbers) -> bool:
        """Whether a version is in it."""
        return (self.since is None or version >= self.since) and (self.before is None or version < self.before)

    def __str__(self) -> str:
        return self.text or "any"


def between(since: Numbers | None, before: Numbers | None) -> Range:
    """The range of these ends."""
    parts = [f">={_dotted(since)}"] if since is not None else []
    parts += [f"<{_dotted(before)}"] if before is not None else []
    return Range(since, before, " ".join(parts))


def _dotted(version: Numbers) -> str:
    return ".".join(map(str, version)) if len(version) > 1 else f"{version[0] if version else 0}.0"
