"""Objectives as fleet.yaml writes them: what is promised, of which requests, and which models promise otherwise.

`inferometer.fleet.slos` works out what each model promises.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final

from inferometer.catalog.stages import Stage
from inferometer.fleet import amounts, scalars, texts, times
from inferometer.fleet.objective import Sli
from inferometer.fleet.scalars import Kind, WrongValueError
from inferometer.fleet.schema import Key, Listing, Nested

_STAGES: Final = {stage.label: stage for stage in Stage}


def _stage(text: str) -> Stage:
    if text not in _STAGES:
        raise WrongValueError(f"{text!r} is no stage", scalars.nearest(text, tuple(_STAGES)))
    return _STAGES[text]


STAGE: Final = Kind(
    name="stage", written_as=("text",), read=_stage, json={"enum": list(_STAGES)}, example=Stage.QUEUE.label
)


class Per(StrEnum):
    """By what an objective is kept apart."""

    TENANT = "tenant"
    CLASS = "class"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which requests an objective is about; all that is said must be so."""

    tenant: Annotated[str | None, Key(texts.TEXT, "A known tenant, or `other`.")] = None
    version: Annotated[str | None, Key(texts.TEXT, "A version of the model.")] = None
    request_class: Annotated[str | None, Key(texts.TEXT, "One of `classes`.", name="class")] = None


EVERYTHING: Final = Scope()
"""All requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Within:
    """Limits that a good request keeps, all of them."""

    time_to_first_token: Annotated[int | None, Key(times.LATENCY, "Until the first token.")] = None
    time_per_output_token: Annotated[int | None, Key(times.LATENCY, "Mean time per further token.")] = None
    time_to_first_chunk: Annotated[int | None, Key(times.LATENCY, "Until the first chunk of a stream.")] = None
    latency: Annotated[int | None, Key(times.LATENCY, "Until the end of the answer.")] = None

    @property
    def limits(self) -> tuple[tuple[Sli, int], ...]:
        """Each limit that is said, in ns."""
        every = (
            (Sli.TIME_TO_FIRST_TOKEN, self.time_to_first_token),
            (Sli.TIME_PER_OUTPUT_TOKEN, self.time_per_output_token),
            (Sli.TIME_TO_FIRST_CHUNK, self.time_to_first_chunk),
            (Sli.LATENCY, self.latency),
        )
        return tuple((sli, ns) for sli, ns in every if ns is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveEntry:
    """A promise: which share of requests, or of the time, is good over which window."""

    name: str
    sli: Annotated[Sli, Key(scalars.choice(Sli, "SLI"), "What is measured.")]
    threshold_ns: Annotated[
        int | None,
        Key(times.LATENCY, "Longest time that is still good; of freshness: without a good answer.", name="threshold"),
    ] = None
    stage: Annotated[Stage | None, Key(STAGE, "With latency: one stage instead of the whole request.")] = None
    within: Annotated[Within | None, Key(Nested(Within), "With goodput: limits that are all kept.")] = None
    usd_per_1k: Annotated[
        Decimal | None, Key(amounts.BUDGET_USD, "With cost_per_1k: highest cost of 1,000 requests that is still good.")
    ] = None
    target: Annotated[Decimal | None, Key(amounts.PERCENT, "Share that is good in percent.")] = None
    window_ns: Annotated[
        int | None, Key(times.DURATION, "Time over which the share is taken: 1d to 90d.", name="window")
    ] = None
    scope: Annotated[Scope, Key(Nested(Scope), "Only these requests.", name="for")] = EVERYTHING
    per: Annotated[
        Per | None, Key(scalars.choice(Per, "way to keep requests apart"), "An SLO for each known tenant or class.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Where one service or model promises something else than the objective says."""

    name: str
    threshold_ns: Annotated[int | None, Key(times.LATENCY, "Instead of the objective's.", name="threshold")] = None
    within: Annotated[Within | None, Key(Nested(Within), "Instead of the objective's.")] = None
    usd_per_1k: Annotated[Decimal | None, Key(amounts.BUDGET_USD, "Instead of the objective's.")] = None
    target: Annotated[Decimal | None, Key(amounts.PERCENT, "Instead of the objective's.")] = None
    window_ns: Annotated[int | None, Key(times.DURATION, "Instead of the objective's.", name="window")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What holds where nothing else is said."""

    objectives: Annotated[
        tuple[str, ...], Key(Listing(texts.SLUG, unique=True), "Objectives of every model that names none.")
    ] = ()
    target: Annotated[Decimal | None, Key(amounts.PERCENT, "Target of every objective that has none.")] = None
    window_ns: Annotated[int | None, Key(times.DURATION, "Window of every objective that has none.", name="window")] = (
        None
    )


NO_DEFAULTS: Final = Defaults()
"""Where nothing is said."""
