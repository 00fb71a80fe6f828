"""What rules record of objectives: events, budgets and burn rates, ``level:subject:operation``.

A window in a name is the one of production; with a time scale the same name holds the shorter window.
"""

from typing import Final

from inferometer.catalog.labels import CLASS, DEVICE, GPU_NAME, VERSION
from inferometer.catalog.model import Unit
from inferometer_alerts.rule_labels import ACTION, OF_SLO, PERIOD, SLI, TARGET, TEAM
from inferometer_alerts.rule_series import Recorded

SLO_INFO: Final = Recorded(
    name="slo:info",
    unit=Unit.COUNT,
    help="1 per objective of a model, with what it promises and who answers for it.",
    labels=(*OF_SLO, VERSION, CLASS, SLI, TARGET, PERIOD, TEAM),
)
SLO_OBJECTIVE: Final = Recorded(
    name="slo:objective:ratio", unit=Unit.RATIO, help="Share of events that must be good.", labels=OF_SLO
)
SLO_BUDGET: Final = Recorded(
    name="slo:error_budget:ratio", unit=Unit.RATIO, help="Share of events that may be bad.", labels=OF_SLO
)
SLO_PERIOD: Final = Recorded(
    name="slo:period:seconds", unit=Unit.SECONDS, help="Time over which the objective is kept.", labels=OF_SLO
)
SLO_SLOTS: Final = Recorded(
    name="slo:slots:now",
    unit=Unit.COUNT,
    help="Looks at an objective that no request can be judged by, every half minute; of GPUs one look at each.",
    labels=OF_SLO,
)
SLO_BAD_SLOTS: Final = Recorded(
    name="slo:bad_slots:now", unit=Unit.COUNT, help="Looks that found it bad.", labels=OF_SLO
)
DEVICE_PRESENT: Final = Recorded(
    name="device:present:tile",
    unit=Unit.COUNT,
    help="1 per GPU that is there, recorded every five minutes.",
    labels=(DEVICE, GPU_NAME),
)
SLO_EVENTS_TILE: Final = Recorded(
    name="slo:events:tile",
    unit=Unit.COUNT,
    help="Events in five minutes, recorded every five minutes: tiles that long windows are the sum of.",
    labels=OF_SLO,
)
SLO_BAD_TILE: Final = Recorded(
    name="slo:bad_events:tile", unit=Unit.COUNT, help="Bad events in five minutes, a tile.", labels=OF_SLO
)
SLO_EVENTS_PERIOD: Final = Recorded(
    name="slo:events:period", unit=Unit.COUNT, help="Events in the objective's whole period.", labels=OF_SLO
)
SLO_BAD_PERIOD: Final = Recorded(
    name="slo:bad_events:period", unit=Unit.COUNT, help="Bad events in the objective's whole period.", labels=OF_SLO
)
SLO_BUDGET_LEFT: Final = Recorded(
    name="slo:budget_left:ratio",
    unit=Unit.RATIO,
    help="Share of the period's error budget that is left; below 0 when it is overdrawn.",
    labels=OF_SLO,
)


def events(window: str) -> Recorded:
    """Events of an SLO in a window."""
    return Recorded(name=f"slo:events:increase{window}", unit=Unit.COUNT, help=f"Events in {window}.", labels=OF_SLO)


def bad_events(window: str) -> Recorded:
    """Bad events of an SLO in a window."""
    return Recorded(
        name=f"slo:bad_events:increase{window}", unit=Unit.COUNT, help=f"Bad events in {window}.", labels=OF_SLO
    )


def burn_rate(window: str) -> Recorded:
    """How many times too fast the budget was used in a window; 1 uses it up exactly."""
    return Recorded(
        name=f"slo:burn_rate:ratio{window}",
        unit=Unit.RATIO,
        help=f"Share of bad events in {window} as a multiple of the error budget.",
        labels=OF_SLO,
    )


BUDGET_POLICY: Final = Recorded(
    name="fleet:budget_policy:ratio",
    unit=Unit.RATIO,
    help="Rest of an error budget from which on something is done.",
    labels=(ACTION,),
)
