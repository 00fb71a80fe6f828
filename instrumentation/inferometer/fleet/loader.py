"""Reads and checks fleet.yaml; every error points at the value that is wrong and says what would be right."""

from pathlib import Path

from inferometer.fleet import (
    autoscaling_checks,
    budget_checks,
    device_prices,
    document,
    engine_checks,
    maintenance_checks,
    objective_checks,
    page_access_checks,
    promise_checks,
    routing_checks,
)
from inferometer.fleet.document import Mapping
from inferometer.fleet.model import Fleet
from inferometer.fleet.reader import read_object


def load(path: Path) -> Fleet:
    """The fleet that a file describes.

    Raises:
        FleetError: the file is missing, is no YAML, or says something that cannot be right.
    """
    return check(document.read(path))


def loads(text: str, *, file: str = "fleet.yaml") -> Fleet:
    """The fleet that a text describes; ``file`` is named in errors.

    Raises:
        FleetError: as for :func:`load`.
    """
    return check(document.parse(text, file=file))


def check(root: Mapping) -> Fleet:
    """The fleet of a document.

    Raises:
        FleetError: as for :func:`load`.
    """
    fleet = read_object(Fleet, root, "fleet.yaml")
    page_access_checks.check(fleet, root)
    engine_checks.check_pages(fleet, root)
    objective_checks.check(fleet, root)
    promise_checks.check(fleet, root)
    device_prices.check(fleet, root)
    routing_checks.check(fleet, root)
    maintenance_checks.check(fleet, root)
    budget_checks.check(fleet, root)
    autoscaling_checks.check(fleet, root)
    return fleet
