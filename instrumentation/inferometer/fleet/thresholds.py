"""thresholds.json: what a worker and the sidecar need to know of fleet.yaml. Standard library only."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from inferometer.catalog.stages import Stage
from inferometer.errors import StateError
from inferometer.fleet import budget_policy
from inferometer.fleet.budget_policy import Action, BudgetStep
from inferometer.fleet.objective import Objective, Sli

if TYPE_CHECKING:
    from inferometer.fleet.page_access import PageAccess

__all__ = [
    "DEFAULT_TIMEOUT_NS",
    "ENGINES_EVERY_NS",
    "FORMAT",
    "NOTHING",
    "OTHER_TENANT",
    "PICODOLLARS",
    "EnginePages",
    "Objective",
    "Price",
    "Sli",
    "Thresholds",
    "dumps",
    "loads",
    "read",
]

FORMAT: Final = 3
"""2: a price says which devices, hosts and regions it is for. 3: an objective may be of a stage, of several limits, of
some requests only."""
_READABLE: Final = (1, 2, FORMAT)
DEFAULT_TIMEOUT_NS: Final = 30 * 10**9
"""A request that its client gave up after this time counts as timed out, unless fleet.yaml says otherwise."""
ENGINES_EVERY_NS: Final = 15 * 10**9
"""As often as Prometheus asks us, by default."""
OTHER_TENANT: Final = "other"
PICODOLLARS: Final = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class EnginePages:
    """Pages of a foreign engine that a sidecar reads."""

    service: str
    engine: str
    pages: tuple[str, ...]
    version: str | None = None
    """Where the page does not say it."""
    model: str = ""
    """Of series that do not say theirs: the service's only one."""
    access: "PageAccess | None" = None
    """What the pages ask for: files, never what is in them."""
    devices: tuple[str, ...] = ()
    """What the engine of each page runs on, in the pages' order, or one for all; empty: nobody said."""

    def device_of(self, number: int) -> str:
        """What the engine of the page of that number runs on; empty where nobody said."""
        return "" if not self.devices else self.devices[0 if len(self.devices) == 1 else number]


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
    policy: tuple[BudgetStep, ...] = budget_policy.DEFAULT
    engines: tuple[EnginePages, ...] = ()
    engines_every_ns: int = ENGINES_EVERY_NS
    """From one reading of an engine's page to the next; a time scale divides it."""

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

    def only_model(self, service: str) -> str:
        """The model of a service that promises something for one only; empty for others."""
        models = {of[1] for of in self._by_model if of[0] == service}
        return models.pop() if len(models) == 1 else ""

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
        limits = {limit.ns for o in self.objectives_of(service, model) for limit in o.limits}
        return tuple(sorted({*limits, self.timeout_ns(service)}))


NOTHING: Final = Thresholds()
"""Where no file is given."""


def dumps(thresholds: Thresholds) -> str:
    """The file's text; the same thresholds give the same bytes."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "fleet": thresholds.fleet,
        "tenants": {"header": thresholds.tenant_header, "known": list(thresholds.known_tenants)},
        "timeouts_ns": dict(thresholds.timeouts_ns),
        "objectives": [_written(objective) for objective in thresholds.objectives],
        "prices": [asdict(price) for price in thresholds.prices],
        "policy": [{"below": f"{step.below:f}", "do": step.do.value} for step in thresholds.policy],
        "engines": [_pages_written(pages) for pages in thresholds.engines],
    }
    if thresholds.engines_every_ns != ENGINES_EVERY_NS:
        document["engines_every_ns"] = thresholds.engines_every_ns
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
        policy=_policy(document.get("policy")),
        # Files of before 2026-11-23 have none.
        engines=tuple(map(_pages, document.get("engines", ()))),
        engines_every_ns=document.get("engines_every_ns", ENGINES_EVERY_NS),
    )


def _pages_written(pages: EnginePages) -> dict[str, Any]:
    written = asdict(pages)
    access = {name: said for name, said in (written.pop("access") or {}).items() if said is not None}
    further = {"access": access, "devices": list(written.pop("devices"))}
    return written | {name: said for name, said in further.items() if said}


def _pages(entry: Mapping[str, Any]) -> EnginePages:
    said = entry.get("access")
    lists = {"pages": tuple(entry["pages"]), "devices": tuple(entry.get("devices", ()))}
    if said is None:
        return EnginePages(**{**entry, **lists})
    # Workers read this file, too, and pages are nothing to them: the schema that comes with it is not imported there.
    from inferometer.fleet.page_access import PageAccess  # noqa: PLC0415

    return EnginePages(**{**entry, **lists, "access": PageAccess(**said)})


def _policy(written: Sequence[Mapping[str, str]] | None) -> tuple[BudgetStep, ...]:
    # Files of before 2026-11-23 have none.
    if written is None:
        return budget_policy.DEFAULT
    return tuple(BudgetStep(below=Decimal(str(float(step["below"]))), do=Action(step["do"])) for step in written)


def _written(objective: Objective) -> dict[str, Any]:
    written: dict[str, Any] = {
        "slo": objective.slo,
        "service": objective.service,
        "model": objective.model,
        "objective": objective.name,
        "sli": objective.sli.value,
        "threshold_ns": objective.threshold_ns,
        "target": objective.target,
        "window_ns": objective.window_ns,
    }
    if objective.stage is not None:
        written["stage"] = objective.stage.label
    if objective.within:
        written["within_ns"] = {sli.value: ns for sli, ns in objective.within}
    scope = {"tenant": objective.tenant, "version": objective.version, "class": objective.request_class}
    if of := {name: value for name, value in scope.items() if value}:
        written["for"] = of
    return written


def _objective(entry: Mapping[str, Any]) -> Objective:
    stage, scope = entry.get("stage"), entry.get("for", {})
    return Objective(
        slo=entry["slo"],
        service=entry["service"],
        model=entry["model"],
        name=entry["objective"],
        sli=Sli(entry["sli"]),
        threshold_ns=entry["threshold_ns"],
        target=entry["target"],
        window_ns=entry["window_ns"],
        stage=None if stage is None else Stage[stage.upper()],
        within=tuple((Sli(name), ns) for name, ns in entry.get("within_ns", {}).items()),
        tenant=scope.get("tenant", ""),
        version=scope.get("version", ""),
        request_class=scope.get("class", ""),
    )
