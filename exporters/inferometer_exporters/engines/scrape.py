"""One engine's page, fetched again and again by a thread of its own, and what our own page shows of it."""

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from inferometer.aggregate.sample import Family, Plain
from inferometer.catalog import engines as catalog
from inferometer.catalog.labels import SCRAPE_FAILURE
from inferometer.errors import SourceError, StateError
from inferometer.fleet.page_access import PageAccess
from inferometer.fleet.thresholds import ENGINES_EVERY_NS
from inferometer.intake.state import State, StateFile
from inferometer_exporters.engines.labelling import Target
from inferometer_exporters.engines.page import EnginePage, Told
from inferometer_exporters.engines.published import Publisher
from inferometer_exporters.engines.usage import Report, Usage, UsageMeter
from inferometer_exporters.pages.fetch import PageUrl, fetch

_log = logging.getLogger(__name__)

PERIOD_SECONDS: Final = ENGINES_EVERY_NS / 1e9
DEADLINE_SECONDS: Final = 10.0
"""For a whole page."""
SHORTEST_DEADLINE_SECONDS: Final = 4.0
"""Where pages are asked for more often than that: a busy machine makes a page of Ray in two seconds."""
STALE_PERIODS: Final = 2.5
"""What was read longer ago is of nobody knows when, and no longer shown."""
MAX_PAGE_BYTES: Final = 64 << 20
"""Of a page as it is unpacked; Ray writes about 0.4 MB per replica."""
BIRTH_SECONDS: Final = 60.0
"""A new total shows 0 for at most this long, where nobody scrapes us."""
_TOTALS: Final = "totals"
_FAILURES: Final = "failures"


class Fetch(Protocol):
    """How a page is had."""

    def __call__(self, url: PageUrl, *, access: PageAccess | None, seconds: float, limit: int) -> bytes:
        """The bytes of a page.

        Raises:
            SourceError: there is none within these bounds.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Scraped:
    """A page to scrape."""

    url: PageUrl
    service: str
    engine: str | None = None
    """None: found by the names on the page."""
    version: str | None = None
    model: str = ""
    access: PageAccess | None = None
    """What the page asks for; None: nothing."""
    devices: str = ""
    """What the engine runs on, several with commas between; empty: nobody said."""

    @property
    def replica(self) -> str:
        """Value of the label `replica`: where the page is, without what all pages have in common."""
        host = f"[{self.url.host}]" if ":" in self.url.host else self.url.host
        return f"{host}:{self.url.port}"


def unasked(_: Usage) -> None:
    """Nobody keeps a ledger."""


def state_name(scraped: Scraped) -> str:
    """The file of a page's totals: the same for the same page of the same service."""
    digest = hashlib.blake2b(f"{scraped.service} {scraped.url}".encode(), digest_size=8)
    return f"{digest.hexdigest()}.state"


@dataclass(frozen=True, slots=True)
class _Shown:
    """What our page shows of one page; replaced as a whole."""

    signals: tuple[Family, ...] = ()
    about: tuple[Family, ...] = ()
    read_at: float = float("-inf")


class Scraper:
    """Scrapes one page.

    Args:
        scraped: which page.
        region: of this host, for labels.
        folder: where its totals are kept.
        period: seconds from one scrape to the next.
        get: how a page is had.
        report: takes what the engine did from one scrape to the next.
        monotonic: seconds.
    """

    def __init__(
        self,
        scraped: Scraped,
        *,
        region: str = "",
        folder: Path,
        period: float = PERIOD_SECONDS,
        get: Fetch = fetch,
        report: Report = unasked,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.scraped = scraped
        self._labels = (scraped.service, region, scraped.replica)
        self._period = period
        self._get = get
        self._now = monotonic
        target = Target(service=scraped.service, region=region, address=scraped.replica, model=scraped.model)
        self._page = EnginePage(target, scraped.engine, scraped.version)
        self._publisher = Publisher()
        self._usage = UsageMeter(scraped.service, scraped.replica)
        self._report = report
        self._state = StateFile(folder / state_name(scraped))
        self._number = 0
        self._failures = dict.fromkeys(SCRAPE_FAILURE.values, 0)
        self._complaint = ""
        self._shown = _Shown()
        self._restore()

    def _restore(self) -> None:
        state = self._state.read()
        if state is None:
            return
        try:
            self._page.load(state.sections[_TOTALS])
            self._failures |= {name: int(count) for name, count in json.loads(state.sections[_FAILURES]).items()}
            self._number = state.number
        except (AttributeError, KeyError, TypeError, ValueError, StateError) as error:
            _log.error("%s: %s; its totals begin anew", self._state_of(), error)

    def _state_of(self) -> str:
        return f"{self.scraped.service} {self.scraped.url}"

    def families(self) -> tuple[Family, ...]:
        """What our page shows of it now; from any thread."""
        shown = self._shown
        stale = self._now() - shown.read_at > STALE_PERIODS * max(self._period, self._deadline)
        return shown.about if stale else (*shown.signals, *shown.about)

    @property
    def _deadline(self) -> float:
        """Seconds for a whole page."""
        return min(DEADLINE_SECONDS, max(self._period, SHORTEST_DEADLINE_SECONDS))

    def run(self, stop: threading.Event, *, wait: float = 0.0) -> None:
        """Scrape until *stop* is set; the first time after *wait* seconds."""
        stop.wait(wait)
        while not stop.is_set():
            began = self._now()
            self.scrape()
            stop.wait(max(self._period - (self._now() - began), 0.0))

    def scrape(self) -> None:
        """Fetch the page once, and show what it says, or that it says nothing."""
        began = self._now()
        try:
            body = self._get(
                self.scraped.url,
                access=self.scraped.access,
                seconds=self._deadline,
                limit=MAX_PAGE_BYTES,
            )
            told = self._page.read(body)
        except SourceError as error:
            self._fail(error)
            return
        self._keep()
        now = self._now()
        usage = self._usage.usage(told.found, int(now * 1e9), computes=told.computes)
        if usage is not None:
            self._report(usage)
        families = self._publisher.families(told.found, int(now * 1e9), oldest_ns=int((now - BIRTH_SECONDS) * 1e9))
        if self._complaint:
            _log.warning("%s is read again", self._state_of())
            self._complaint = ""
        self._shown = _Shown(families, self._about(told, len(body), now - began), now)

    def _keep(self) -> None:
        """Store the totals before they are shown: after a crash none of them goes back."""
        self._number += 1
        try:
            sections = {_TOTALS: self._page.dump(), _FAILURES: json.dumps(self._failures).encode()}
            self._state.write(State(self._number, sections))
        except StateError as error:
            if self._complaint != str(error):
                _log.warning("%s: %s", self._state_of(), error)
                self._complaint = str(error)

    def _fail(self, error: SourceError) -> None:
        self._failures[error.why] += 1
        self._keep()
        if self._complaint != str(error):
            _log.warning("%s: %s", self._state_of(), error)
            self._complaint = str(error)
        shown = self._shown
        up = (Family(catalog.UP, None, (Plain(self._labels, 0.0),)), *self._failed())
        self._shown = _Shown(shown.signals, up, shown.read_at)

    def _failed(self) -> tuple[Family, ...]:
        samples = tuple(Plain((*self._labels, reason), float(count)) for reason, count in self._failures.items())
        return (Family(catalog.SCRAPE_FAILURES, None, samples),)

    def _about(self, told: Told, size: int, took: float) -> tuple[Family, ...]:
        info = (*self._labels, told.engine, told.version.text, told.version.said_by.value)
        values = (
            (catalog.UP, self._labels, 1.0),
            (catalog.INFO, info, 1.0),
            (catalog.RESTARTS, self._labels, float(told.restarts)),
            (catalog.UNKNOWN, self._labels, float(len(told.unknown))),
            (catalog.SCRAPE_TIME, self._labels, took),
            (catalog.PAGE_SIZE, self._labels, float(size)),
        )
        return (*(Family(entry, None, (Plain(labels, value),)) for entry, labels, value in values), *self._failed())
