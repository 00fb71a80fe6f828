"""``inferometer slo status`` and ``slo gate``: what is left of the budgets, and whether that allows a change."""

import json as json_module
import sys
from collections.abc import Sequence
from typing import Any, Final

from inferometer.errors import InferometerError
from inferometer.fleet.budget_policy import Action
from inferometer_compose.commands.console import screen
from inferometer_compose.commands.errors import FOUND_SOMETHING, say
from inferometer_compose.screens.slo_status import budget_left, rest, status
from inferometer_compose.slo_budgets import Budget
from inferometer_compose.slo_source import Asked, Known, known
from inferometer_exporters.recorder.slo_causes_query import CausesAnswer

_FEWEST_BAD: Final = 5
"""Bad requests below which nobody looks for who did it: so few say nothing of anybody."""


def run(name: str, asked: Asked, *, blame: bool, json: bool) -> int:
    """Print the budgets and what ate them; the exit status.

    Args:
        name: of an SLO, a service or an objective; empty for all.
        asked: who is asked.
        blame: say what ate them.
        json: print JSON.

    Raises:
        InferometerError: nobody answers, or knows no such SLO.
    """
    told = known(asked)
    found = _chosen(told.budgets, name)
    causes = _causes(told, found) if blame else {}
    if json:
        document = {
            "budgets_from": told.told_by,
            "causes_from": told.blamed_by if blame else None,
            "policy": [{"below_ratio": float(step.below / 100), "do": step.do.value} for step in told.policy],
            "slos": [_document(one, told) | {"ate_it": causes.get(one.slo)} for one in found],
        }
        sys.stdout.write(json_module.dumps(document, indent=2) + "\n")
        return 0
    out = screen()
    for line in status(found, told, causes, out.width):
        out.print(line)
    return 0


def gate(name: str, asked: Asked, least: float, *, json: bool) -> int:
    """0 where every budget has more than the share *least* left and the policy freezes nothing, else 1.

    What has no data yet does not stop anybody, and is said.

    Raises:
        InferometerError: nobody answers, or knows no such SLO: whoever cannot see must not pass.
    """
    told = known(asked)
    found = _chosen(told.budgets, name)
    reasons = {one.slo: reason for one in found if (reason := _closes(one, told, least))}
    if json:
        document = {
            "open": not reasons,
            "budgets_from": told.told_by,
            "reasons": reasons,
            "do": sorted({step.do.value for one in found for step in one.due(told.policy)}),
            "slos": [_document(one, told) for one in found],
        }
        sys.stdout.write(json_module.dumps(document, indent=2) + "\n")
        return FOUND_SOMETHING if reasons else 0
    for note in told.notes:
        say(note)
    for one in found:
        if one.left is None:
            say(f"{one.slo}: no requests yet, so no budget to go by")
    for reason in reasons.values():
        sys.stdout.write(f"closed: {reason}\n")
    if not reasons:
        sys.stdout.write(f"open: {_open(found)}\n")
        for one in found:
            sys.stdout.writelines(
                f"{step.do.value}: {one.slo} has {budget_left(one)} of its budget left, {rest(step)}\n"
                for step in one.due(told.policy)
            )
    return FOUND_SOMETHING if reasons else 0


def _closes(one: Budget, told: Known, least: float) -> str:
    """Why a budget closes the gate; empty where it does not."""
    if one.left is None:
        return ""
    text = f"{one.slo} has {budget_left(one)} of its budget left"
    if one.left <= least:
        return text
    freeze = next((step for step in one.due(told.policy) if step.do is Action.FREEZE), None)
    return f"{text}, and {rest(freeze)} the policy says freeze" if freeze else ""


def _open(found: Sequence[Budget]) -> str:
    worst = next((one for one in found if one.left is not None), None)
    return "no budget is known" if worst is None else f"{worst.slo} has {budget_left(worst)} left"


def _chosen(found: Sequence[Budget], name: str) -> list[Budget]:
    chosen = [one for one in found if name in {"", one.slo, one.service, one.objective}]
    if not chosen:
        services = ", ".join(sorted({one.service for one in found if one.service}))
        raise InferometerError(f"no SLO, service or objective {name!r}; there are the services {services}")
    return chosen


def _causes(told: Known, found: Sequence[Budget]) -> dict[str, CausesAnswer]:
    """What ate the budgets that something ate; where that cannot be told it is said and left out."""
    answers: dict[str, CausesAnswer] = {}
    for one in found:
        if one.bad is None or one.bad < _FEWEST_BAD:
            continue
        try:
            answers[one.slo] = told.causes(one)
        except InferometerError as error:
            say(f"{one.slo}: what ate it is not known: {error}")
    return answers


def _document(one: Budget, told: Known) -> dict[str, Any]:
    return {
        "slo": one.slo,
        "service": one.service,
        "model": one.model,
        "objective": one.objective,
        "sli": one.sli,
        "target_ratio": round(one.target / 100, 10),
        "period_seconds": one.period_seconds,
        "known_seconds": one.known_seconds,
        "good_now_ratio": one.good_now,
        "good_ratio": one.good,
        "events": one.events,
        "bad_events": one.bad,
        "budget_left_ratio": one.left,
        "budget_left_requests": one.left_requests,
        "budget_left_seconds": one.left_seconds,
        "burn_rate": dict(one.burn),
        "gone_in_seconds": one.gone_in_seconds,
        "firing": list(one.firing),
        "do": [step.do.value for step in one.due(told.policy)],
    }
