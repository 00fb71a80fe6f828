"""What an expression can read besides the catalogue: what rules record, what Prometheus makes itself, what it adds."""

import re
from dataclasses import dataclass
from typing import ClassVar

from inferometer.catalog.model import Label, Unit
from inferometer.errors import CatalogError
from inferometer.promql import Family
from inferometer_alerts.rule_labels import INSTANCE, JOB

_NAME = re.compile(r"(slo|model|tenant|device|fleet|budget):[a-z0-9_]+(:[a-z0-9_]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A recorded series; recorded values are always gauges, increases of a window among them."""

    name: str
    unit: Unit
    help: str
    labels: tuple[Label, ...] = ()
    kind: ClassVar[str] = "gauge"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise CatalogError(f"recorded series {self.name!r} is not level:subject:operation")

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the labels."""
        return tuple(label.name for label in self.labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Builtin:
    """A series that Prometheus or Alertmanager makes itself."""

    name: str
    help: str
    labels: tuple[Label, ...]
    kind: str = "gauge"

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the labels."""
        return tuple(label.name for label in self.labels)


@dataclass(frozen=True, slots=True)
class Scraped:
    """A series of the catalogue with the labels that Prometheus adds when it scrapes it."""

    family: Family

    @property
    def name(self) -> str:
        """Name of the family."""
        return self.family.name

    @property
    def kind(self) -> str:
        """Kind of the family."""
        return self.family.kind

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the labels."""
        return (*self.family.label_names, JOB.name, INSTANCE.name)
