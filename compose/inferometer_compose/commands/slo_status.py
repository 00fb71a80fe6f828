"""``inferometer slo status`` and ``slo gate``: what is left of the budgets, and whether that allows a change."""

import json as json_module
import sys
from collections.abc import Sequence
from typing import Any

from inferometer.errors import InferometerError
from inferometer_compose.commands.console import screen
from inferometer_compose.commands.errors import FOUND_SOMETHING, say
from inferometer_compose.screens.slo import budget_left, status
from inferometer_compose.slo_budgets import Budget, budgets


def run(name: str, prometheus: str, *, json: bool) -> int:
    """Print the budgets; the exit status.

    Raises:
        InferometerError: Prometheus does not answer, or knows no such SLO.
    """
    found = _chosen(budgets(prometheus), name, prometheus)
    if json:
        sys.stdout.write(json_module.dumps({"slos": [_document(one) for one in found]}, indent=2) + "\n")
        return 0
    out = screen()
    for line in status(found, out.width):
        out.print(line)
    return 0


def gate(name: str, prometheus: str, least: float, *, json: bool) -> int:
    """0 where every budget has more than the share *least* left, 1 where one has not.

    What has no data yet does not stop anybody, and is said.

    Raises:
        InferometerError: Prometheus does not answer, or knows no such SLO: whoever cannot see must not pass.
    """
    found = _chosen(budgets(prometheus), name, prometheus)
    gone = [one for one in found if one.left is not None and one.left <= least]
    if json:
        document = {"open": not gone, "slos": [_document(one) for one in found]}
        sys.stdout.write(json_module.dumps(document, indent=2) + "\n")
    else:
        for one in found:
            if one.left is None:
                say(f"{one.slo}: no requests yet, so no budget to go by")
        for one in gone:
            sys.stdout.write(f"closed: {one.slo} has {budget_left(one)} of its budget left\n")
        if not gone:
            worst = next((one for one in found if one.left is not None), None)
            text = "no budget is known" if worst is None else f"{worst.slo} has {budget_left(worst)} left"
            sys.stdout.write(f"open: {text}\n")
    return FOUND_SOMETHING if gone else 0


def _chosen(found: Sequence[Budget], name: str, prometheus: str) -> list[Budget]:
    if not found:
        raise InferometerError(
            f"{prometheus} has no SLOs: it does not evaluate the rules that `inferometer generate` writes"
        )
    chosen = [one for one in found if name in {"", one.slo, one.service, one.objective}]
    if not chosen:
        services = ", ".join(sorted({one.service for one in found}))
        raise InferometerError(f"no SLO, service or objective {name!r}; there are the services {services}")
    return chosen


def _document(one: Budget) -> dict[str, Any]:
    return {
        "slo": one.slo,
        "service": one.service,
        "model": one.model,
        "objective": one.objective,
        "sli": one.sli,
        "target_ratio": round(one.target / 100, 10),
        "period_seconds": one.period_seconds,
        "events": one.events,
        "bad_events": one.bad,
        "budget_left_ratio": one.left,
        "budget_left_requests": one.left_requests,
        "budget_left_seconds": one.left_seconds,
        "burn_rate": dict(one.burn),
        "gone_in_seconds": one.gone_in_seconds,
        "firing": list(one.firing),
    }
