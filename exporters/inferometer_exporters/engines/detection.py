"""Which engine a page is of, in which version, and who says so."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

from inferometer.errors import SourceError
from inferometer.fleet import engines
from inferometer.fleet.engines import model
from inferometer.fleet.engines.versions import Numbers, between, numbers
from inferometer_exporters.engines.plan import Mapper

UNKNOWN_VERSION: Final = ""


class VersionFrom(StrEnum):
    """Who says the version; the values of the label `version_from`."""

    PAGE = "page"
    FLEET = "fleet"
    NAMES = "names"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Version:
    """The version of an engine, as far as it is known."""

    text: str
    """A version, or a range of them; empty where nothing is known."""
    said_by: VersionFrom
    exact: Numbers | None = None
    """Where it is no range."""


def engine_of(names: set[str], mappings: Iterable[model.Mapping] | None = None) -> model.Mapping:
    """The engine whose page has families of these names.

    Args:
        names: of families and samples, as the page writes them.
        mappings: those that are asked; all of them unless given.

    Raises:
        SourceError: it is of none that we know, or of several.
    """
    matching = [mapping for mapping in mappings or engines.every() if _is_of(mapping, names)]
    contained = {name for mapping in matching for name in mapping.contains}
    mine = [mapping for mapping in matching if mapping.engine not in contained]
    if not mine:
        known = ", ".join(engines.names())
        raise SourceError(f"the page is of no engine that is known; say which: {known}", why="other_engine")
    if len(mine) > 1:
        several = ", ".join(mapping.engine for mapping in mine)
        raise SourceError(f"the page could be of several engines, say which: {several}", why="other_engine")
    return mine[0]


def _is_of(mapping: model.Mapping, names: set[str]) -> bool:
    detect = mapping.detect
    if detect is None:
        return False
    mapper = Mapper(mapping)
    said = {mapper.named(name).name for name in names}
    return (
        (not detect.any or any(_has(said, name) for name in detect.any))
        and all(_has(said, name) for name in detect.all)
        and not any(_has(said, name) for name in detect.none)
    )


def _has(said: set[str], name: str) -> bool:
    return name in said if not name.endswith("*") else any(fnmatchcase(one, name) for one in said)


def version_of(
    mapping: model.Mapping, names: set[str], labelled: Iterable[tuple[str, Mapping[str, str]]], told: str | None
) -> Version:
    """The version of the engine.

    Args:
        mapping: of the engine.
        names: of families and samples, in the mapping's spelling.
        labelled: (name, labels) of series, looked through for a label that says it.
        told: what fleet.yaml says; None: nothing.
    """
    if mapping.version_labels:
        for name, labels in labelled:
            for where in mapping.version_labels:
                said = labels.get(where.label, "")
                if said and _has({name}, where.series) and numbers(said) is not None:
                    return Version(said[:40], VersionFrom.PAGE, numbers(said))
    if told is not None:
        return Version(told, VersionFrom.FLEET, numbers(told))
    return _by_names(mapping, names)


def _by_names(mapping: model.Mapping, names: set[str]) -> Version:
    since: list[Numbers] = []
    before: list[Numbers] = []
    for mark in mapping.marks:
        first = numbers(mark.since) if mark.since is not None else None
        end = numbers(mark.before) if mark.before is not None else None
        if mark.series in names:
            since += [first] if first is not None else []
            before += [end] if end is not None else []
        elif mark.always and first is not None:
            before.append(first)
    low, high = max(since, default=None), min(before, default=None)
    if (low is None and high is None) or (low is not None and high is not None and low >= high):
        return Version(UNKNOWN_VERSION, VersionFrom.UNKNOWN)
    return Version(str(between(low, high)), VersionFrom.NAMES)
