"""What proofs of autoscaling have in common: the change at ten minutes, who must not count, and what is expected."""

from decimal import ROUND_FLOOR, Decimal
from typing import Final

from inferometer.catalog.labels import MODEL, SERVICE
from inferometer.fleet.autoscaling_checks import Scaled
from inferometer.promql import Matcher
from inferometer_alerts.rule import Expect
from inferometer_alerts.rule_series import Recorded

OTHER: Final = "somebody else"
STEPS: Final = 40
"""Samples before the change, which is at ten minutes."""
_TO: Final = Decimal("0.0001")


def expect(series: Recorded, model: Scaled, at: str, value: Decimal | int, *, only: tuple[Matcher, ...] = ()) -> Expect:
    """A recorded series has one element, of this model, with this value."""
    labels = {SERVICE.name: model.service.name, MODEL.name: model.model.name}
    return Expect(series=series, at=at, elements=((labels, _rounded(Decimal(value))),), only=only)


def _rounded(value: Decimal) -> Decimal:
    return (value / _TO + Decimal("0.5")).to_integral_value(ROUND_FLOOR) * _TO
