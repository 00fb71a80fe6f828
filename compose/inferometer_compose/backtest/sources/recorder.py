"""Minutes from the flight recorder: the sidecar that runs answers, else the last recorder's file."""

from pathlib import Path
from typing import cast

import numpy as np

from inferometer.errors import InferometerError
from inferometer.fleet.objective import Objective
from inferometer_compose.backtest.counts import MINUTE, Counts, summed
from inferometer_compose.commands.recorded import ask
from inferometer_exporters import slo_api
from inferometer_exporters.slo_api import MinutesAnswer


def minutes(objective: Objective, since_seconds: float, *, api: str, recorder: Path | None) -> Counts:
    """What counted for an objective.

    Args:
        objective: as fleet.yaml has it.
        since_seconds: how long ago it begins; of a file before its last moment.
        api: address of the sidecar.
        recorder: the file to read in its stead.

    Raises:
        InferometerError: there is neither a sidecar nor a file, the sidecar does not know the objective, or nothing
            is recorded.
    """
    parameters = {"slo": objective.slo, "since_seconds": f"{since_seconds:.0f}"}
    answer = cast(
        "MinutesAnswer",
        ask(
            f"{slo_api.PATH}/minutes",
            parameters,
            lambda cursor: slo_api.counted(cursor, objective, since_seconds=since_seconds),
            api=api,
            recorder=recorder,
        ),
    )
    if answer["end"] <= answer["begin"]:
        raise InferometerError(f"nothing is recorded of {objective.slo} yet")
    return counts(answer)


def counts(answer: MinutesAnswer) -> Counts:
    """The minutes of an answer; those in which no sidecar wrote are not known."""
    found = summed(
        np.array(answer["minutes"], np.int64),
        np.array(answer["events"], np.float64),
        np.array(answer["bad"], np.float64),
        begin=answer["begin"] * MINUTE,
        end=answer["end"] * MINUTE,
    )
    found.known[:] = found.events > 0
    for first, last in answer["watched"]:
        found.known[max(first - answer["begin"], 0) : last + 1 - answer["begin"]] = True
    return found
