"""All foreign engines that a sidecar reads: a thread per page, their scrapes spread over the period."""

import contextlib
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from inferometer.aggregate.sample import Family
from inferometer.errors import RefusedError, StateError
from inferometer.fleet import engines
from inferometer.fleet.thresholds import EnginePages
from inferometer_exporters.engines.scrape import PERIOD_SECONDS, Scraped, Scraper, state_name, unasked
from inferometer_exporters.engines.usage import Report
from inferometer_exporters.pages.fetch import PageUrl

MOST_PAGES: Final = 1_000
_CLOSE_SECONDS: Final = 2.0
KEPT_SECONDS: Final = 7 * 86_400.0
"""Totals of a page that is read no more are kept for so long: replicas come and go under ever new addresses."""


class Engines:
    """Scrapes pages; nothing is read before `start`.

    Args:
        pages: which ones.
        region: of this host, for labels.
        folder: where totals are kept; made where it is not there.
        period: seconds from one scrape of a page to the next.
        report: takes what engines did from one scrape to the next; called by several threads.

    Raises:
        RefusedError: there are more pages than one sidecar reads, or one is there twice.
        StateError: the folder cannot be made, or what is in it not be read.
        FleetError: the mapping of an engine is wrong.
    """

    def __init__(
        self,
        pages: Sequence[Scraped],
        *,
        region: str = "",
        folder: Path,
        period: float = PERIOD_SECONDS,
        report: Report = unasked,
    ) -> None:
        if len(pages) > MOST_PAGES:
            raise RefusedError(f"{len(pages)} pages of engines, {MOST_PAGES} are the most that one sidecar reads")
        seen: set[tuple[str, str]] = set()
        for page in pages:
            key = page.service, page.replica
            if key in seen:
                raise RefusedError(f"{page.service} has two pages at {page.replica}: their series would be the same")
            seen.add(key)
        if pages:
            try:
                folder.mkdir(mode=0o700, exist_ok=True)
            except OSError as error:
                raise StateError(f"cannot make the folder {folder}: {error.strerror}") from error
            _forget(folder, {state_name(page) for page in pages}, older_than=time.time() - KEPT_SECONDS)
        self._period = period
        self._scrapers = [Scraper(page, region=region, folder=folder, period=period, report=report) for page in pages]
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to scrape."""
        for number, scraper in enumerate(self._scrapers):
            # The first of them at once; the others one after the other, so that they never come all together.
            wait = self._period * number / len(self._scrapers)
            name = f"inferometer-engine-{scraper.scraped.service}"
            thread = threading.Thread(
                target=scraper.run, args=(self._stop,), kwargs={"wait": wait}, name=name, daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """Scrape no more; a page that hangs is left behind."""
        self._stop.set()
        until = time.monotonic() + _CLOSE_SECONDS
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0.0))

    def families(self) -> list[Family]:
        """What all pages say now; from any thread."""
        return [family for scraper in self._scrapers for family in scraper.families()]


def _forget(folder: Path, read: set[str], *, older_than: float) -> None:
    """Delete totals of pages that are not read, and were not for long."""
    stems = {Path(name).stem for name in read}
    for path in folder.iterdir():
        # Another sidecar's clean-up, or a file that is not ours to delete, is no reason not to start.
        with contextlib.suppress(OSError):
            if path.stem not in stems and path.stat().st_mtime < older_than:
                path.unlink()


def of_fleet(told: Iterable[EnginePages]) -> list[Scraped]:
    """Pages of thresholds.json.

    Raises:
        RefusedError: a page is no URL, or an engine has no mapping.
    """
    return [
        Scraped(
            url=PageUrl.parse(page),
            service=of.service,
            engine=_known(of.engine),
            version=of.version,
            model=of.model,
            access=of.access,
            devices=of.device_of(number),
        )
        for of in told
        for number, page in enumerate(of.pages)
    ]


def parse(text: str) -> Scraped:
    """A page as the command line writes it: ``SERVICE=URL``, or ``SERVICE:ENGINE=URL``.

    Raises:
        RefusedError: it is none.
    """
    who, _, url = text.partition("=")
    service, _, engine = who.partition(":")
    if not service or not url:
        raise RefusedError(f"{text!r} is no page of an engine: llm:vllm=http://127.0.0.1:8000/metrics is right")
    return Scraped(url=PageUrl.parse(url), service=service, engine=_known(engine) if engine else None)


def _known(engine: str) -> str:
    if engine not in engines.names():
        raise RefusedError(f"there is no mapping of the engine {engine!r}; known: {', '.join(engines.names())}")
    return engine
