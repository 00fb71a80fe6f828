"""What model servers of others did during a run: counts and buckets of their own pages, as the sidecar shows them."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import inf
from typing import Final

from inferometer.catalog import requests
from inferometer.catalog.engines import UP
from inferometer.catalog.labels import MODEL, OUTCOME, REPLICA, SERVICE, STAGE
from inferometer.catalog.model import Series
from inferometer.catalog.stages import ANSWERED, FAILED
from inferometer.errors import InferometerError
from inferometer.fleet.engine_signals import SERIES
from inferometer.fleet.objective import Sli
from inferometer.fleet.slos import ObjectiveSpec, Slo
from inferometer.fleet.thresholds import EnginePages
from inferometer_compose import web
from inferometer_compose.screens.figures import ModelTimes, Objective
from inferometer_exporters.pages.exposition import Point, points

LOOK_SECONDS: Final = 1.0
_LE: Final = "le"
_NS: Final = 10**9
_ANSWERED: Final = frozenset(outcome.label for outcome in ANSWERED)
_FAILED: Final = frozenset(outcome.label for outcome in FAILED)
_BUCKET: Final = "_bucket"

_Key = tuple[str, frozenset[tuple[str, str]]]


def _fetched(url: str) -> bytes:
    return web.fetch(url, shows_token=True).body


class EngineFigures:
    """Counters of engines, from where a run finds them.

    Args:
        page: Address of the sidecar's page.
        read: Engines that the sidecar reads; without any there is nothing to look for.
        slos: What is promised of engines.
        get: Fetches the page.
        now: Monotonic seconds.
    """

    def __init__(
        self,
        page: str,
        read: Iterable[EnginePages],
        slos: Iterable[Slo],
        *,
        get: Callable[[str], bytes] = _fetched,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._page = page
        self._services = {of.service for of in read}
        self._slos = [slo for slo in slos if slo.service in self._services]
        self._get = get
        self._clock = now
        self._next = -inf
        self._before: dict[_Key, float] = {}
        self._known: set[str] = set()
        self._last: dict[_Key, Point] = {}

    def look(self) -> None:
        """Read the page, at most once a second; what a replica shows when it is first seen is of before the run."""
        if self._services and self._clock() >= self._next:
            self._next = self._clock() + LOOK_SECONDS
            self.look_now()

    def look_now(self) -> None:
        """Read the page."""
        if not self._services:
            return
        try:
            found = points(self._get(self._page))
        except InferometerError:
            return
        seen = {one.labels[REPLICA.name] for one in found if one.name == UP.name and one.value}
        for one in found:
            if (address := _address(one)) in seen | self._known:
                if address not in self._known:
                    self._before[_key(one)] = one.value
                # What a replica said last counts, also when it is gone.
                self._last[_key(one)] = one
        self._known |= seen

    def times(self) -> Iterator[ModelTimes]:
        """How long requests took, model by model: ends of the engines' own buckets, which are upper bounds."""
        for service, model in sorted({_owner(one) for one in self._rises(requests.REQUESTS)}):
            buckets = self._buckets(requests.REQUEST_DURATION, service, model)
            p50, p95, p99, p999 = (_quantile(buckets, share) for share in (0.5, 0.95, 0.99, 0.999))
            yield ModelTimes(
                service=service,
                model=model,
                requests=round(sum(self._outcomes(service, model).values())),
                by_buckets=True,
                p50_seconds=p50,
                p95_seconds=p95,
                p99_seconds=p99,
                p999_seconds=p999,
            )

    def objectives(self) -> Iterator[Objective]:
        """How the promises of engines stood during the run."""
        for slo in self._slos:
            good, bad = self._judged(slo)
            spec = slo.objective
            yield Objective(
                slo=slo.name,
                service=slo.service,
                model=slo.model,
                name=spec.name,
                threshold_seconds=None if spec.threshold_ns is None else spec.threshold_ns / _NS,
                target_ratio=float(spec.target) / 100,
                good=round(good),
                bad=round(bad),
            )

    def _judged(self, slo: Slo) -> tuple[float, float]:
        """Good and bad requests."""
        spec = slo.objective
        if spec.sli is Sli.AVAILABILITY or spec.threshold_ns is None:
            ended = self._outcomes(slo.service, slo.model)
            return (
                sum(number for outcome, number in ended.items() if outcome in _ANSWERED),
                sum(number for outcome, number in ended.items() if outcome in _FAILED),
            )
        stage = "" if spec.stage is None else spec.stage.label
        buckets = dict(self._buckets(_series(spec), slo.service, slo.model, stage))
        good = buckets.get(spec.threshold_ns / _NS, 0.0)
        return good, buckets.get(inf, 0.0) - good

    def _outcomes(self, service: str, model: str) -> dict[str, float]:
        ended: dict[str, float] = {}
        for one in self._rises(requests.REQUESTS):
            if _owner(one) == (service, model):
                outcome = one.labels[OUTCOME.name]
                ended[outcome] = ended.get(outcome, 0.0) + one.value
        return ended

    def _buckets(self, entry: Series, service: str, model: str, stage: str = "") -> list[tuple[float, float]]:
        """(upper end, how many up to it), ascending."""
        counted: dict[float, float] = {}
        for one in self._rises(entry, _BUCKET):
            if _owner(one) == (service, model) and one.labels.get(STAGE.name, "") == stage:
                end = float(one.labels[_LE])
                counted[end] = counted.get(end, 0.0) + one.value
        return sorted(counted.items())

    def _rises(self, entry: Series, part: str = "") -> Iterator[Point]:
        """By how much the counters of engines rose."""
        for key, one in self._last.items():
            if one.name == entry.name + part:
                yield Point(one.name, one.labels, one.value - self._before.get(key, 0.0), one.help)


def _series(spec: ObjectiveSpec) -> Series:
    return SERIES[spec.sli] if spec.stage is None else requests.STAGE_DURATION


def _address(point: Point) -> str:
    """Where the page is that a line is of; empty of what is no engine's."""
    return point.labels.get(REPLICA.name, "").partition("/")[0]


def _key(point: Point) -> _Key:
    return point.name, frozenset(point.labels.items())


def _owner(point: Point) -> tuple[str, str]:
    return point.labels.get(SERVICE.name, ""), point.labels.get(MODEL.name, "")


def _quantile(buckets: Sequence[tuple[float, float]], share: float) -> float | None:
    """The end of the bucket that the quantile is in; None where there is none, or it is beyond the last end."""
    whole = buckets[-1][1] if buckets else 0.0
    found = next((end for end, number in buckets if whole and number >= share * whole), None)
    return None if found in {None, inf} else found
