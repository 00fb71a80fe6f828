"""Which alert makes another one needless: the faster leg, the page, the cause.

No alert is on both sides of a rule, and all that a rule compares stands on both of its sides: Alertmanager takes a
label that both lack for equal.
"""

from collections.abc import Iterator
from typing import Final

from inferometer.catalog.labels import DEVICE, MODEL, SERVICE, SLO
from inferometer.catalog.model import Label
from inferometer.fleet.model import Fleet
from inferometer.fleet.objective import TIMES, Sli
from inferometer.fleet.slos import slos
from inferometer_alerts.gpu_alerts import BROKEN
from inferometer_alerts.pipeline_alerts import DEVICE_TROUBLE
from inferometer_alerts.policy import TIERS
from inferometer_alerts.rule import Severity
from inferometer_alerts.rule_labels import ALERT_NAME, OBJECTIVE, SEVERITY, SLO_TIER
from inferometer_alerts.yaml_text import Yaml

_FAST: Final = TIERS[:3]
"""Legs that page."""
_FLEET: Final = "fleet"
"""External label of every alert."""
_SLOW: Final = frozenset({*TIMES, Sli.GOODPUT})
"""What a slow model breaks."""


def rules(fleet: Fleet) -> list[Yaml]:
    """``inhibit_rules`` of alertmanager.yml."""
    return [*_tiers(), *_budgets(), *_causes(), *_broken_devices(fleet), *_blind()]


def _rule(source: str, target: str, *equal: Label | str) -> Yaml:
    names = [label if isinstance(label, str) else label.name for label in equal]
    return {"source_matchers": [source], "target_matchers": [target], "equal": names}


def _named(*names: str) -> str:
    return f'{ALERT_NAME.name}=~"{"|".join(names)}"' if len(names) > 1 else f'{ALERT_NAME.name}="{names[0]}"'


def _tiers() -> Iterator[Yaml]:
    """While a faster leg of the same SLO fires, the slower ones say nothing new."""
    for rank, faster in enumerate(TIERS[:-1]):
        slower = "|".join(TIERS[rank + 1 :])
        yield _rule(f'{SLO_TIER.name}="{faster}"', f'{SLO_TIER.name}=~"{slower}"', SLO)


def _budgets() -> Iterator[Yaml]:
    """Who is woken because a budget burns needs no ticket that it will be gone."""
    yield _rule(f'{SLO_TIER.name}=~"{"|".join(_FAST)}"', _named("InferenceBudgetForecast"), SLO)
    yield _rule(_named("InferenceBudgetExhausted"), _named("InferenceBudgetForecast"), SLO)


def _causes() -> Iterator[Yaml]:
    """Cause before symptom, of the same thing."""
    yield _rule(
        _named("InferenceAdmissionStalled", "InferenceBatchStuck"),
        _named("InferenceQueueSaturated", "InferenceFirstTokenSlow"),
        SERVICE,
        MODEL,
    )
    yield _rule(_named("InferenceMetricsAbsent"), _named("InferenceTrafficStopped"), SERVICE, MODEL)
    yield _rule(
        _named("InferenceEngineDown"),
        _named("InferenceReplicaDown", "InferenceTrafficStopped", "InferenceMetricsAbsent"),
        SERVICE,
    )
    pages, tickets = (f'{SEVERITY.name}="{severity}"' for severity in (Severity.PAGE, Severity.TICKET))
    yield {
        "source_matchers": [pages, _named(*BROKEN)],
        "target_matchers": [tickets, f'{ALERT_NAME.name}=~"Gpu.+"'],
        "equal": [DEVICE.name],
    }


def _broken_devices(fleet: Fleet) -> Iterator[Yaml]:
    """A model that lost a GPU is slow: the page on the GPU says what to do. That requests fail is still told."""
    slow = sorted({slo.objective.name for slo in slos(fleet) if slo.objective.sli in _SLOW})
    trouble = _named(DEVICE_TROUBLE)
    yield _rule(trouble, _named("InferenceQueueSaturated", "InferenceFirstTokenSlow"), SERVICE, MODEL)
    if slow:
        yield {
            "source_matchers": [trouble],
            "target_matchers": [f'{SLO_TIER.name}=~"{"|".join(TIERS)}"', f'{OBJECTIVE.name}=~"{"|".join(slow)}"'],
            "equal": [SERVICE.name, MODEL.name],
        }


def _blind() -> Iterator[Yaml]:
    """Nothing is measured while inferometer is down: that models do not report is no news of its own."""
    yield _rule(
        _named("InferometerDown", "InferometerNoTargets"),
        _named("InferenceMetricsAbsent", "InferenceNeverReported"),
        _FLEET,
    )
