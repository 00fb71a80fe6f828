"""Who is asked about budgets: Prometheus, the flight recorder, or both."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inferometer.errors import InferometerError
from inferometer.fleet import budget_policy, loader, summary
from inferometer.fleet.budget_policy import BudgetStep
from inferometer.fleet.thresholds import NOTHING, Thresholds
from inferometer_compose import slo_prometheus, web
from inferometer_compose.commands.trace import last_recorder
from inferometer_compose.slo_budgets import Budget, worst_first
from inferometer_compose.slo_labels import causes_by_labels
from inferometer_compose.slo_recorded import Recorded
from inferometer_compose.web import AnswerError
from inferometer_exporters.recorder.slo_causes_query import CausesAnswer

DEFAULT_PROMETHEUS: Final = "http://127.0.0.1:9090"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whom the command line names; what it does not name is asked where it usually is."""

    prometheus: str = ""
    api: str = ""
    recorder: Path | None = None
    config: Path | None = None
    """The fleet file; None: what the others know of it."""
    default_api: str
    folder: Path
    """Where a demo may have left a recorder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Budgets, and who told them."""

    budgets: tuple[Budget, ...]
    """The worst off first."""
    policy: tuple[BudgetStep, ...]
    told_by: str
    """Who told the budgets, in words."""
    prometheus: str
    """Empty: it is not asked."""
    recorded: Recorded | None
    notes: tuple[str, ...] = ()
    """What its reader should know of the sources."""

    @property
    def blamed_by(self) -> str:
        """Who tells what ate them, in words."""
        labels = f"labels in Prometheus {self.prometheus}"
        if self.recorded is None:
            return labels
        return f"{self.recorded.name}, else {labels}" if self.prometheus else self.recorded.name

    def causes(self, budget: Budget) -> CausesAnswer:
        """What ate a budget.

        Raises:
            InferometerError: who is asked does not answer, or does not know that SLO.
        """
        if self.recorded is not None:
            try:
                answer = self.recorded.causes(budget.slo, budget.period_seconds)
            except InferometerError:
                # A sidecar knows the SLOs of its own thresholds.json; Prometheus may watch more.
                if not self.prometheus:
                    raise
            else:
                # And it saw the requests of its own host only.
                if answer["bad"] or not self.prometheus:
                    return answer
        return causes_by_labels(budget.slo, budget.period_seconds, base=self.prometheus)


def known(asked: Asked) -> Known:
    """The budgets of all SLOs.

    Prometheus is believed where it is asked: it knows every replica and the whole period. Whoever is named must answer.

    Raises:
        FleetError: the fleet file is wrong.
        InferometerError: who is named does not answer, or nobody is there.
    """
    promised = NOTHING if asked.config is None else summary.thresholds(loader.load(asked.config))
    recorded, notes = _recorded(asked, promised)
    prometheus = asked.prometheus or ("" if asked.api or asked.recorder else DEFAULT_PROMETHEUS)
    budgets: list[Budget] | None = None
    steps: tuple[BudgetStep, ...] = ()
    if prometheus:
        try:
            budgets = slo_prometheus.budgets(prometheus)
            steps = slo_prometheus.policy(prometheus)
        except AnswerError as error:
            if asked.prometheus or recorded is None:
                raise _nobody(error, asked, named=bool(asked.prometheus)) from error
            prometheus = ""
        else:
            if not budgets and (asked.prometheus or recorded is None):
                raise InferometerError(
                    f"{prometheus} has no SLOs: it does not evaluate the rules that `inferometer generate` writes"
                )
    if not budgets and recorded is not None:
        return _of_recorder(recorded, promised, notes)
    return Known(
        budgets=tuple(budgets or ()),
        policy=promised.policy if asked.config is not None else steps or budget_policy.DEFAULT,
        told_by=f"Prometheus {prometheus}",
        prometheus=prometheus,
        recorded=recorded,
        notes=notes,
    )


def _recorded(asked: Asked, promised: Thresholds) -> tuple[Recorded | None, tuple[str, ...]]:
    """The recorder to ask, if there is one."""
    if asked.recorder is not None:
        if not promised.objectives:
            raise InferometerError("a recorder file does not say what is promised: name the fleet file with --config")
        return Recorded("", asked.recorder, promised), ()
    api = asked.api or asked.default_api
    if web.answers(f"{api}/healthz"):
        return Recorded(api, None, promised), ()
    if asked.api:
        raise AnswerError(f"no sidecar answers at {api}")
    if asked.prometheus:
        # Whatever an earlier demo left here is not of the fleet that this Prometheus watches.
        return None, ()
    file = last_recorder(asked.folder)
    if file is None or not promised.objectives:
        return None, ()
    return Recorded("", file, promised), (f"no sidecar answers at {api}; {file} is what the last one left",)


def _of_recorder(recorded: Recorded, promised: Thresholds, notes: Iterable[str]) -> Known:
    told = recorded.promises()
    if not told["slos"]:
        raise InferometerError(f"{recorded.name} knows no SLOs: start the sidecar with --thresholds or --config")
    return Known(
        budgets=tuple(worst_first(recorded.budget(one) for one in told["slos"])),
        policy=recorded.policy(told) if recorded.file is None else promised.policy,
        told_by=recorded.name,
        prometheus="",
        recorded=recorded,
        notes=tuple(notes),
    )


def _nobody(error: AnswerError, asked: Asked, *, named: bool) -> InferometerError:
    if named:
        return error
    return InferometerError(
        f"nobody can tell: {error}; and no sidecar answers at {asked.default_api}: name one with --prometheus, --api, "
        "or --recorder with --config"
    )
