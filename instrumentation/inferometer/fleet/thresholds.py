"""thresholds.json: what a worker and the sidecar need to know of fleet.yaml. Standard library only."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from inferometer.catalog.stages import ANSWERED, FAILED, Outcome
from inferometer.errors import StateError

FORMAT: Final = 2
"""2: a price says which devices, hosts and regions it is for."""
_READABLE: Final = (1, FORMAT)
DEFAULT_TIMEOUT_NS: Final = 30 * 10**9
"""A request that its client gave up after this time counts as timed out, unless fleet.yaml says otherwise."""
OTHER_TENANT: Final = "other"
PICODOLLARS: Final = 10**12


class Sli(StrEnum):
    """What an objective measures."""

    AVAILABILITY = "availability"
    LATENCY = "latency"
    TIME_TO_FIRST_CHUNK = "time_to_first_chunk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """One objective of one model; ``slo`` is its name on series, ``target`` in percent as fleet.yaml writes it."""

    slo: str
    service: str
    model: str
    name: str
    sli: Sli
    threshold_ns: int | None
    target: str
    window_ns: int

    def judge(self, outcome: Outcome, duration_ns: int, first_chunk_ns: int | None) -> bool | None:
        """Whether a finished request was good (True), bad (False), or counts neither way (None).

        Availability: good are answers, bad what failed; client errors and cancelled requests count neither way.
        Latency and time to first chunk: bad is whatever took longer than the threshold, however it ended, because
        it was slow before anybody knew how it would end (see :meth:`crossed`); good are answers in time. An answer
        in one piece is its own first chunk. Warm-up requests are the caller's to leave out.

        Args:
            outcome: How the request ended.
            duration_ns: Its duration.
            first_chunk_ns: From its arrival to the first chunk of a streamed answer; None where there was none.
        """
        if self.threshold_ns is None:
            return True if outcome in ANSWERED else False if outcome in FAILED else None
        if self.crossed(duration_ns, first_chunk_ns):
            return False
        return True if outcome in ANSWERED else None

    def crossed(self, open_ns: int, first_chunk_ns: int | None) -> bool:
        """Whether a request that is still open is bad already, after ``open_ns``.

        Who counts such a request does so once, and leaves out the verdict of :meth:`judge` at its end.
        """
        if self.threshold_ns is None:
            return False
        if self.sli is Sli.TIME_TO_FIRST_CHUNK and first_chunk_ns is not None:
            return first_chunk_ns > self.threshold_ns
        return open_ns > self.threshold_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Price of a device: which ones, how much, known from where and when.

    ``model``, ``name``, ``host`` and ``region`` hold wildcards as file names do.
    """

    kind: str
    model: str
    picodollars_per_hour: int
    price_kind: str
    source: str
    as_of: str
    name: str = "*"
    host: str = "*"
    region: str = "*"

    @property
    def usd_per_hour(self) -> float:
        """The price in US dollars per hour."""
        return self.picodollars_per_hour / PICODOLLARS

    def covers(self, host: str, region: str) -> bool:
        """Whether it is for devices of a host in a region; an unknown one (empty) is covered by ``*`` only."""
        return fnmatchcase(host, self.host) and fnmatchcase(region, self.region)

    def matches(self, kind: str, model: str, name: str) -> bool:
        """Whether it is for a device; an unknown model or name (empty) is matched by ``*`` only."""
        return self.kind == kind and fnmatchcase(model, self.model) and fnmatchcase(name, self.name)


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """What fleet.yaml says of requests and devices; empty where there is no file: then nothing is promised."""

    fleet: str = ""
    objectives: tuple[Objective, ...] = ()
    timeouts_ns: Mapping[str, int] = field(default_factory=dict)
    tenant_header: str | None = None
    known_tenants: tuple[str, ...] = ()
    prices: tuple[Price, ...] = ()

    @cached_property
    def _by_model(self) -> dict[tuple[str, str], tuple[Objective, ...]]:
        grouped: dict[tuple[str, str], tuple[Objective, ...]] = {}
        for objective in self.objectives:
            of = (objective.service, objective.model)
            grouped[of] = (*grouped.get(of, ()), objective)
        return grouped

    @cached_property
    def _tenants(self) -> frozenset[str]:
        return frozenset(self.known_tenants)

    def objectives_of(self, service: str, model: str) -> tuple[Objective, ...]:
        """What a model promises; empty where it promises nothing."""
        return self._by_model.get((service, model), ())

    def timeout_ns(self, service: str) -> int:
        """Time after which a request of the service that its client gave up counts as timed out."""
        return self.timeouts_ns.get(service, DEFAULT_TIMEOUT_NS)

    def tenant(self, named: str | None) -> str:
        """Value of the label `tenant`: a known tenant, `other`, or empty where the request names none."""
        if not named:
            return ""
        return named if named in self._tenants else OTHER_TENANT

    def price(self, kind: str, model: str, *, name: str = "") -> Price | None:
        """The first price that matches a device; None: it is unpriced, never guessed.

        Hosts and regions are not looked at: :meth:`at` has left out the prices of others.
        """
        return next((price for price in self.prices if price.matches(kind, model, name)), None)

    def at(self, host: str, region: str, *further: Price) -> "Thresholds":
        """The same with the prices for one host only, and behind them *further* ones, which count where none does."""
        mine = tuple(price for price in self.prices if price.covers(host, region))
        return replace(self, prices=(*mine, *further))

    def boundaries_ns(self, service: str, model: str) -> tuple[int, ...]:
        """Times at which a histogram of the model needs an exact bucket: thresholds and the timeout, ascending."""
        limits = {o.threshold_ns for o in self.objectives_of(service, model) if o.threshold_ns is not None}
        return tuple(sorted({*limits, self.timeout_ns(service)}))


NOTHING: Final = Thresholds()
"""Where no file is given."""


def dumps(thresholds: Thresholds) -> str:
    """The file's text; the same thresholds give the same bytes."""
    document = {
        "format": FORMAT,
        "fleet": thresholds.fleet,
        "tenants": {"header": thresholds.tenant_header, "known": list(thresholds.known_tenants)},
        "timeouts_ns": dict(thresholds.timeouts_ns),
        "objectives": [
            {
                "slo": o.slo,
                "service": o.service,
                "model": o.model,
                "objective": o.name,
                "sli": o.sli.value,
                "threshold_ns": o.threshold_ns,
                "target": o.target,
                "window_ns": o.window_ns,
            }
            for o in thresholds.objectives
        ],
        "prices": [asdict(price) for price in thresholds.prices],
    }
    return json.dumps(document, indent=2) + "\n"


def read(path: Path) -> Thresholds:
    """The thresholds in a file that ``inferometer generate`` wrote.

    Raises:
        StateError: the file cannot be read, or another version of inferometer wrote it.
    """
    try:
        return loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StateError(f"{path}: not the thresholds that `inferometer generate` writes: {error}") from error


def loads(text: str) -> Thresholds:
    """The thresholds in a text.

    Raises:
        ValueError: the text is no JSON, or of another format.
        KeyError: something is missing.
        TypeError: something is of another type.
    """
    document: dict[str, Any] = json.loads(text)
    if document["format"] not in _READABLE:
        raise ValueError(f"format {document['format']} instead of {FORMAT}; run `inferometer generate` again")
    tenants = document["tenants"]
    return Thresholds(
        fleet=document["fleet"],
        objectives=tuple(_objective(entry) for entry in document["objectives"]),
        timeouts_ns=dict(document["timeouts_ns"]),
        tenant_header=tenants["header"],
        known_tenants=tuple(tenants["known"]),
        prices=tuple(Price(**entry) for entry in document["prices"]),
    )


def _objective(entry: Mapping[str, Any]) -> Objective:
    fields = {name: value for name, value in entry.items() if name != "objective"}
    return Objective(**{**fields, "name": entry["objective"], "sli": Sli(entry["sli"])})
