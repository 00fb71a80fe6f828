"""Error budgets and what ate them as the flight recorder has it: no Prometheus is asked."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final, cast

from inferometer.fleet import durations
from inferometer.fleet.budget_policy import Action, BudgetStep
from inferometer.fleet.objective import Objective, Sli
from inferometer.fleet.slos import ObjectiveSpec
from inferometer.fleet.thresholds import Thresholds
from inferometer_alerts.policy import budget, legs
from inferometer_compose import web
from inferometer_compose.backtest.conditions import ours
from inferometer_compose.backtest.counts import MINUTE, Counts
from inferometer_compose.backtest.engine import History
from inferometer_compose.backtest.sources.recorder import counts
from inferometer_compose.commands.recorded import ask
from inferometer_compose.slo_budgets import Budget
from inferometer_exporters import slo_api
from inferometer_exporters.recorder.reading import Cursor
from inferometer_exporters.recorder.slo_causes_query import CausesAnswer, what_ate
from inferometer_exporters.recorder.slo_minutes import last_ns
from inferometer_exporters.slo_api import MinutesAnswer, PromiseAnswer, PromisesAnswer

_SECOND: Final = 10**9


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recorder to ask: of a sidecar that runs, or a file.

    Args:
        api: address of the sidecar.
        file: to read in its stead.
        thresholds: what fleet.yaml promises, where a file is read: the sidecar knows.
    """

    api: str
    file: Path | None
    thresholds: Thresholds

    @property
    def name(self) -> str:
        """As people are told."""
        return f"flight recorder {self.file or self.api}"

    def promises(self) -> PromisesAnswer:
        """What is promised.

        Raises:
            AnswerError: the sidecar does not answer.
        """
        if self.file is not None:
            return slo_api.promises(self.thresholds)
        return cast("PromisesAnswer", web.get_json(f"{self.api}{slo_api.PATH}"))

    def policy(self, promised: PromisesAnswer) -> tuple[BudgetStep, ...]:
        """What is done as budgets shrink."""
        return tuple(
            BudgetStep(below=Decimal(str(step["below"])), do=Action(step["do"])) for step in promised["policy"]
        )

    def budget(self, promised: PromiseAnswer) -> Budget:
        """What is left of one budget.

        Raises:
            InferometerError: the sidecar does not answer, or the file cannot be read.
        """
        spec = _spec(promised)
        seconds = promised["period_seconds"]
        parameters = {"slo": promised["slo"], "since_seconds": f"{seconds:.0f}"}
        answer = cast(
            "MinutesAnswer",
            ask(
                f"{slo_api.PATH}/minutes",
                parameters,
                lambda cursor: slo_api.counted(cursor, self._objective(promised), since_seconds=seconds),
                api=self.api,
                recorder=self.file,
            ),
        )
        return _budget(promised, spec, counts(answer) if answer["end"] > answer["begin"] else None)

    def causes(self, slo: str, seconds: float) -> CausesAnswer:
        """What ate one budget in so many seconds.

        Raises:
            InferometerError: the sidecar does not answer, or does not know that SLO, or the file cannot be read.
        """
        parameters = {"slo": slo, "since_seconds": f"{seconds:.0f}"}

        def question(cursor: Cursor) -> CausesAnswer:
            since = last_ns(cursor) - round(seconds * _SECOND)
            return what_ate(cursor, slo_api.named(self.thresholds, slo), since_ns=since)

        answer = ask(f"{slo_api.PATH}/causes", parameters, question, api=self.api, recorder=self.file)
        return cast("CausesAnswer", answer)

    def _objective(self, promised: PromiseAnswer) -> Objective:
        return slo_api.named(self.thresholds, promised["slo"])


def _spec(promised: PromiseAnswer) -> ObjectiveSpec:
    return ObjectiveSpec(
        name=promised["objective"],
        sli=Sli(promised["sli"]),
        target=Decimal(promised["target"]),
        window_ns=round(promised["period_seconds"] * _SECOND),
    )


def _budget(promised: PromiseAnswer, spec: ObjectiveSpec, known: Counts | None) -> Budget:
    asked = known is not None and known.total > 0
    share = float(budget(spec))
    return Budget(
        slo=promised["slo"],
        service=promised["service"],
        model=promised["model"],
        objective=promised["objective"],
        sli=promised["sli"],
        target=float(spec.target),
        period_seconds=promised["period_seconds"],
        events=None if known is None else known.total,
        bad=None if known is None else known.total_bad,
        left=1 - known.total_bad / known.total / share if known is not None and asked else None,
        burn={} if known is None else dict(_burns(known, spec)),
        firing=() if known is None or not asked else _firing(known, spec),
        known_seconds=None if known is None else float(known.seconds),
    )


def _burns(known: Counts, spec: ObjectiveSpec) -> Iterable[tuple[str, float]]:
    """How many times too fast, by the windows of its alerts; those without a request are left out."""
    for ns in sorted({ns for leg in legs(spec) for ns in (leg.short_ns, leg.long_ns)}):
        part = known.part(known.minutes - ns // _SECOND // MINUTE, known.minutes)
        if part.total:
            yield durations.render(ns), part.total_bad / part.total / float(budget(spec))


def _firing(known: Counts, spec: ObjectiveSpec) -> tuple[str, ...]:
    """Tiers whose condition holds at the end, as Prometheus would find it."""
    conditions = ours(spec)
    history = History.of(known.part(known.minutes - 2 * conditions[-1].long // MINUTE, known.minutes))
    if not len(history.times):
        return ()
    return tuple(one.tier for one in conditions if history.holds(one)[0, -1])
