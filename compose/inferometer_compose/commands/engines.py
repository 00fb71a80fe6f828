"""``inferometer engines``: what is known of foreign model servers, and what one of their pages says."""

import json as json_module
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from inferometer.catalog.engines import SIGNALS
from inferometer.errors import InferometerError, RefusedError, SourceError
from inferometer.fleet import engines
from inferometer.fleet.engines import Mapping
from inferometer.fleet.loader import load
from inferometer.fleet.model import Fleet
from inferometer.fleet.page_access import PageAccess
from inferometer.fleet.scalars import nearest
from inferometer.fleet.summary import only_model
from inferometer_compose.commands.console import screen
from inferometer_compose.commands.errors import FOUND_SOMETHING
from inferometer_compose.screens import engines as screens
from inferometer_exporters.engines.reading import Reading, Value, page_names, read
from inferometer_exporters.gpus.page_reading import is_gpu_page
from inferometer_exporters.gpus.page_reading import read as read_gpus
from inferometer_exporters.pages.exposition import decoded
from inferometer_exporters.pages.fetch import PageUrl, fetch

FETCH_SECONDS: Final = 10.0
MOST_BYTES: Final = 64 << 20
"""Of a page, as it is unpacked."""
_STANDARD_INPUT: Final = "-"
NO_ACCESS: Final = PageAccess()
"""The page is open to everybody."""


def listing(*, json: bool) -> int:
    """Print the engines; the exit status.

    Raises:
        FleetError: a mapping is wrong.
    """
    known = list(engines.every())
    if json:
        _print({"engines": [_described(mapping) for mapping in known]})
        return 0
    out = screen()
    for line in screens.listing(known, out.width):
        out.print(line)
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line said of a page."""

    page: str
    engine: str | None = None
    version: str | None = None
    model: str = ""
    config: Path | None = None
    """A fleet.yaml that has the page, and says all of the rest."""
    access: PageAccess = NO_ACCESS


def check(asked: Asked, *, json: bool) -> int:
    """Print what a page says; 1 where it has something that the engine's mapping does not know.

    Raises:
        InferometerError: the page cannot be had or read, nobody knows whose it is, or what is said contradicts itself.
    """
    asked = asked if asked.config is None else _of_fleet(asked, load(asked.config))
    page, body = asked.page, _page(asked.page, asked.access)
    if asked.engine is None and is_gpu_page(page_names(decoded(body))):
        reading = read_gpus(body)
    else:
        reading = read(body, _known(asked.engine), version=asked.version, model_name=asked.model)
    if json:
        _print(document(reading))
    else:
        out = screen()
        for line in screens.reading(reading, page, out.width):
            out.print(line)
    return FOUND_SOMETHING if reading.unknown else 0


def coverage(engine: str | None, *, json: bool) -> int:
    """Print how well engines tell signals; the exit status.

    Raises:
        InferometerError: there is no such engine.
    """
    name = _known(engine)
    names = engines.names() if name is None else (name,)
    told = {name: engines.boundaries(name) for name in names}
    if json:
        _print({name: {signal.name: asdict(of[signal.name]) for signal in SIGNALS} for name, of in told.items()})
        return 0
    out = screen()
    if name is None:
        lines = screens.coverage(told, out.width)
    else:
        lines = screens.of_engine(engines.load(name), told[name], out.width)
    for line in lines:
        out.print(line)
    return 0


def document(reading: Reading) -> dict[str, Any]:
    """What a page says, as JSON has it."""
    return {
        "engine": reading.engine,
        "version": reading.version or None,
        "version_from": reading.version_from.value,
        "samples": reading.samples,
        "signals": {name: [_value(value) for value in values] for name, values in reading.signals.items()},
        "unknown": reading.unknown,
        "missing": {name: asdict(missing) for name, missing in reading.missing.items()},
        "faults": {
            name: [{"what": fault.what, "evidence": fault.evidence} for fault in faults]
            for name, faults in reading.faults.items()
        },
    }


def _value(value: Value) -> dict[str, Any]:
    common = {"labels": value.labels, "source": value.source, "quality": value.quality.value}
    if value.reason:
        common["reason"] = value.reason
    if value.value is not None:
        return {"value": value.value, **common}
    total = {} if value.sum is None else {"sum": value.sum}
    buckets = {"buckets": [list(bucket) for bucket in value.buckets]} if value.buckets else {}
    return {"count": value.count, **total, **buckets, **common}


def _described(mapping: Mapping) -> dict[str, Any]:
    return {
        "engine": mapping.engine,
        "title": mapping.title,
        "page": mapping.page,
        "enable": mapping.enable,
        "tested": list(mapping.tested),
        "contains": list(mapping.contains),
    }


def _known(engine: str | None) -> str | None:
    if engine is not None and engine not in engines.names():
        raise InferometerError(f"there is no mapping of the engine {engine!r}; {nearest(engine, engines.names())}")
    return engine


def _of_fleet(asked: Asked, fleet: Fleet) -> Asked:
    """The same with what a fleet says of the page; a service's name is its first page."""
    said = {
        (service.name if not number else page): (service, page)
        for service in fleet.services
        for number, page in enumerate(service.pages)
    } | {page: (service, page) for service in fleet.services for page in service.pages}
    if asked.page not in said:
        pages = ", ".join(said) or "none"
        raise InferometerError(f"{asked.config} has no page {asked.page!r} and no such service; it has {pages}")
    service, page = said[asked.page]
    return replace(
        asked,
        page=page,
        engine=asked.engine or service.engine.value,
        version=asked.version or service.version,
        model=asked.model or only_model(service),
        access=asked.access if asked.access != NO_ACCESS else service.access or NO_ACCESS,
    )


def _page(where: str, access: PageAccess) -> bytes:
    if where.startswith(("http://", "https://")):
        url = PageUrl.parse(where)
        if access.is_tls and url.scheme == "http":
            raise RefusedError(f"{url} is a page without TLS: a certificate is of no use there, https:// is right")
        return fetch(url, access=access, seconds=FETCH_SECONDS, limit=MOST_BYTES)
    try:
        page = sys.stdin.buffer.read() if where == _STANDARD_INPUT else Path(where).read_bytes()
    except OSError as error:
        raise SourceError(f"{where}: {error.strerror}") from error
    if not page.strip():
        raise SourceError(f"{where}: the page is empty: an engine shows its series once it serves")
    if page.endswith(b"\n"):
        return page
    # Of a page that somebody saved it is usually an editor that took the end away.
    sys.stderr.write(f"{where}: the last line has no end; it is taken as whole\n")
    return page + b"\n"


def _print(value: object) -> None:
    sys.stdout.write(json_module.dumps(value, indent=2, ensure_ascii=False) + "\n")
