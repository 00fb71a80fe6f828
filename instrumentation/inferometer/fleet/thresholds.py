"""What a worker and the sidecar need to know of fleet.yaml, as `thresholds_file` writes it. Standard library only."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Final

from inferometer.fleet import budget_policy
from inferometer.fleet.budget_policy import BudgetStep
from inferometer.fleet.objective import Objective
from inferometer.fleet.timeouts import DEFAULT_TIMEOUT_NS

if TYPE_CHECKING:
    from inferometer.fleet.page_access import PageAccess

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
    read_elsewhere: tuple[str, ...] = ()
    """Services whose pages Prometheus reads itself: their requests are counted there."""

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
        """The model of a service that promises something for one only, or of an engine that has one; else empty."""
        # What engines promise is read off their pages, so that no objective of theirs is here.
        models = {of[1] for of in self._by_model if of[0] == service}
        models |= {pages.model for pages in self.engines if pages.service == service and pages.model}
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


NOTHING: Final = Thresholds()
"""Where no file is given."""
