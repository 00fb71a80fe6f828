"""From one scrape of a page to the next: for how long the engine worked, and for which models."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from math import isinf
from typing import Final

from inferometer.catalog import engines as catalog
from inferometer.catalog import requests
from inferometer.catalog.labels import DIRECTION, MODEL, REGION, STAGE, VERSION
from inferometer.catalog.stages import Kind, Stage
from inferometer_exporters.engines.evaluate import Found, Spread
from inferometer_exporters.ledger.methods import Method

OUTPUT_WEIGHT: Final = 4
"""A token of an answer weighs as many of a prompt: Google's recommender for GKE takes output to input as 4 to 1."""
_SECOND: Final = 10**9
_Labels = tuple[str, str, str]
"""Model, version, region."""


class _Total(Enum):
    """What is read off a page; seconds, tokens or numbers since the engine's start."""

    BUSY = auto()
    INPUT = auto()
    OUTPUT = auto()
    CACHED = auto()
    EXECUTE = auto()
    BATCHES = auto()
    ANSWERS = auto()
    """Requests whose execution is in `EXECUTE`."""
    PHASES = auto()
    """Prefill and decode of requests."""
    DURATION = auto()
    RUNNING = auto()
    """A number of now."""


@dataclass(frozen=True, slots=True)
class Part:
    """One model's part in what an engine did."""

    model: str
    version: str
    region: str
    phase: Kind
    amount: float
    """Seconds, or of `Method.TOKENS` a weight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What an engine did between two scrapes of its page."""

    service: str
    replica: str
    begin: int
    """CLOCK_MONOTONIC ns, as the next."""
    end: int
    method: Method
    seconds: float
    """For how long it worked at most, as far as its page says."""
    parts: tuple[Part, ...]
    """None where it did nothing, or where its page does not say what."""


Report = Callable[[Usage], None]
"""Takes what an engine did; called by the threads that scrape."""


class UsageMeter:
    """Compares each scrape of one page with the one before.

    Args:
        service: whose page it is.
        replica: which of its pages.
    """

    def __init__(self, service: str, replica: str) -> None:
        self._service = service
        self._replica = replica
        self._before: Mapping[tuple[_Total, _Labels], float] = {}
        self._at = 0

    def usage(self, found: Iterable[Found], now_ns: int, *, computes: bool = True) -> Usage | None:
        """What the engine did since the last call; None of the first one, which nothing is known before.

        Args:
            found: on the page, its totals continued.
            now_ns: CLOCK_MONOTONIC.
            computes: whether the engine works itself; a router does not, whatever its page says.
        """
        now = _totals(found)
        before, begin = self._before, self._at
        self._before, self._at = now, now_ns
        if not begin:
            return None
        # A total that was not there was 0: engines begin to tell of things when they happen.
        rose = {key: max(value - before.get(key, 0.0), 0.0) for key, value in now.items()}
        told = {kind for kind, _ in now}
        method, parts = _way(told, rose) if computes else (Method.DURATION, ())
        seconds = sum(part.amount for part in parts)
        span = (now_ns - begin) / _SECOND
        if method is Method.TOKENS:
            seconds = _longest(rose, told, span, always=_runs(before) and _runs(now)) if parts else 0.0
        return Usage(
            service=self._service,
            replica=self._replica,
            begin=begin,
            end=now_ns,
            method=method,
            seconds=min(seconds, span),
            parts=tuple(parts),
        )


def _runs(totals: Mapping[tuple[_Total, _Labels], float]) -> bool:
    return any(value > 0 for (kind, _), value in totals.items() if kind is _Total.RUNNING)


def _way(told: set[_Total], rose: Mapping[tuple[_Total, _Labels], float]) -> tuple[Method, list[Part]]:
    """The best way that a page allows, and each model's part by it."""
    if _Total.BUSY in told:
        return Method.BUSY, list(_parts(rose, _Total.BUSY))
    if _Total.INPUT in told or _Total.OUTPUT in told:
        return Method.TOKENS, list(_tokens(rose))
    if _Total.EXECUTE in told:
        return Method.COMPUTE, list(_computed(rose))
    return Method.DURATION, list(_parts(rose, _Total.DURATION))


def _parts(rose: Mapping[tuple[_Total, _Labels], float], kind: _Total) -> Iterator[Part]:
    for (of, labels), amount in rose.items():
        if of is kind and amount > 0:
            yield Part(*labels, Kind.NONE, amount)


def _tokens(rose: Mapping[tuple[_Total, _Labels], float]) -> Iterator[Part]:
    for labels in dict.fromkeys(labels for kind, labels in rose if kind in {_Total.INPUT, _Total.OUTPUT}):
        # What a prefix cache had is no work.
        read = rose.get((_Total.INPUT, labels), 0.0) - rose.get((_Total.CACHED, labels), 0.0)
        written = rose.get((_Total.OUTPUT, labels), 0.0)
        if read > 0:
            yield Part(*labels, Kind.PREFILL, read)
        if written > 0:
            yield Part(*labels, Kind.DECODE, written * OUTPUT_WEIGHT)


def _computed(rose: Mapping[tuple[_Total, _Labels], float]) -> Iterator[Part]:
    """Time of models; what ran as one batch is told once for each request in it."""
    for part in _parts(rose, _Total.EXECUTE):
        labels = part.model, part.version, part.region
        batches, answers = rose.get((_Total.BATCHES, labels), 0.0), rose.get((_Total.ANSWERS, labels), 0.0)
        alone = batches / answers if 0 < batches < answers else 1.0
        yield Part(*labels, part.phase, part.amount * alone)


def _longest(rose: Mapping[tuple[_Total, _Labels], float], told: set[_Total], span: float, *, always: bool) -> float:
    """For how many seconds an engine that counts tokens can have worked."""
    if always:
        return span
    # A request's time is told when it has ended; an engine that tells none of them may have worked all the time.
    kinds = [kind for kind in (_Total.PHASES, _Total.DURATION) if kind in told]
    return sum(value for (kind, _), value in rose.items() if kind is kinds[0]) if kinds else span


def _totals(found: Iterable[Found]) -> dict[tuple[_Total, _Labels], float]:
    totals: dict[tuple[_Total, _Labels], float] = {}
    for one in found:
        names = one.way.entry.label_names
        name = one.way.told.signal.entry.name
        values = [(amount.labels, _NUMBER, amount.value) for amount in one.amounts]
        values += [(spread.labels, _COUNT, spread.count) for spread in one.spreads]
        values += [(spread.labels, _SUM, _sum(spread)) for spread in one.spreads]
        for labels, part, number in values:
            said = dict(zip(names, labels, strict=True))
            kind = _kind(name, said, part)
            if kind is not None:
                of = said.get(MODEL.name, ""), said.get(VERSION.name, ""), said.get(REGION.name, "")
                totals[kind, of] = totals.get((kind, of), 0.0) + number
    return totals


def _sum(spread: Spread) -> float:
    """Sum of a histogram's values; where the page's is of no use (Ray's), from the middles of its buckets."""
    if spread.total is not None:
        return spread.total
    total, lower, below = 0.0, 0.0, 0.0
    for upper, until in spread.buckets:
        total += (until - below) * (lower if isinf(upper) else (lower + upper) / 2)
        lower, below = upper, until
    return total


_EXECUTE: Final = Stage.EXECUTE.label
_READ, _WRITTEN = DIRECTION.values
_NUMBERS: Final = {
    catalog.BUSY.name: _Total.BUSY,
    catalog.RUNNING.name: _Total.RUNNING,
    catalog.PREFIX_HITS.name: _Total.CACHED,
}
_SUMS: Final = {
    catalog.PREFILL.name: _Total.PHASES,
    catalog.DECODE.name: _Total.PHASES,
    requests.REQUEST_DURATION.name: _Total.DURATION,
}


_NUMBER: Final = 0
_COUNT: Final = 1
_SUM: Final = 2


def _kind(name: str, said: Mapping[str, str], part: int) -> _Total | None:
    """What a number is: that of a counter or gauge, or of a histogram its count or its sum."""
    if part == _NUMBER:
        if name == requests.TOKENS.name:
            return {_READ: _Total.INPUT, _WRITTEN: _Total.OUTPUT}.get(said.get(DIRECTION.name, ""))
        return _NUMBERS.get(name)
    if name == requests.STAGE_DURATION.name:
        return (_Total.ANSWERS if part == _COUNT else _Total.EXECUTE) if said.get(STAGE.name) == _EXECUTE else None
    if name == requests.BATCH_SIZE.name:
        return _Total.BATCHES if part == _COUNT else None
    return _SUMS.get(name) if part == _SUM else None
