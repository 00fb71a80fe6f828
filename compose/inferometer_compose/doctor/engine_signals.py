"""From a foreign engine to what it could tell and does not: which option of it switches each missing signal on."""

from collections.abc import Iterator

from inferometer.catalog import engines as catalog
from inferometer.catalog.engines import SIGNALS, Signal
from inferometer.catalog.labels import ENGINE, ENGINE_VERSION, SERVICE
from inferometer.catalog.requests import REQUESTS
from inferometer.errors import InferometerError
from inferometer.fleet import engines
from inferometer.fleet.engines import Quality
from inferometer_compose.doctor.link import Link, State, Where
from inferometer_exporters.pages.exposition import Point

NAME = "engine signals"
_PARTS = ("", "_bucket", "_count")
"""Of a family: a histogram has lines of its parts only."""


def look(where: Where) -> Iterator[Link]:
    """A link for each option of each engine whose page the sidecar reads; it is no fault not to use it."""
    try:
        page = where.page
    except InferometerError:
        return  # which `records` has said
    for (service, engine), version in sorted(_read(page).items()):
        told = engines.boundaries(engine, version)
        # Before its first request an engine tells little of what it can.
        served = _has_served(page, service)
        lacking: dict[str, list[str]] = {}
        for signal in SIGNALS:
            of = told[signal.name]
            if of.flag and (served or of.quality is Quality.ABSENT) and not _is_shown(page, service, signal):
                lacking.setdefault(of.flag, []).append(signal.name)
        for flag, names in lacking.items():
            says = f"{service} ({engines.load(engine).title}) does not tell {', '.join(names)}"
            yield Link(name=NAME, state=State.UNSEEN, says=says, cure=f"the engine's switch: {flag}")


def _read(page: list[Point]) -> dict[tuple[str, str], str]:
    """(service, engine) -> version; pages that are not read are another link's."""
    return {
        (one.labels[SERVICE.name], one.labels[ENGINE.name]): one.labels[ENGINE_VERSION.name]
        for one in page
        if one.name == catalog.INFO.name and one.labels[ENGINE.name] in engines.names()
    }


def _has_served(page: list[Point], service: str) -> bool:
    return any(one.value for one in page if one.name == REQUESTS.name and one.labels.get(SERVICE.name) == service)


def _is_shown(page: list[Point], service: str, signal: Signal) -> bool:
    names = {f"{signal.entry.name}{part}" for part in _PARTS}
    return any(
        one.name in names
        and one.labels.get(SERVICE.name) == service
        and (signal.label is None or one.labels.get(signal.label.name) == signal.value)
        for one in page
    )
