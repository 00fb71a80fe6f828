"""How many replicas a model has: what ``autoscaling`` in fleet.yaml says, and what follows of it."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final

from inferometer.fleet import amounts, durations, scalars, texts, times
from inferometer.fleet.scalars import Kind, WrongValueError
from inferometer.fleet.schema import Key, Nested

NOTICE_NS: Final = durations.parse("45s")
"""Until an autoscaler sees a request: one scrape, one round of the rules and one poll, 15 s each."""
MOST_REPLICAS: Final = 1000


class Autoscaler(StrEnum):
    """Who scales."""

    KEDA = "keda"
    """KEDA's ScaledObject, which asks Prometheus itself."""
    HPA = "hpa"
    """A plain HorizontalPodAutoscaler, which asks prometheus-adapter."""


def _replicas(text: str) -> int:
    if not text.isdecimal() or int(text) > MOST_REPLICAS:
        raise WrongValueError(f"{text!r} is no number of replicas", f"write 0 to {MOST_REPLICAS}")
    return int(text)


REPLICAS: Final = Kind(
    name="number of replicas",
    written_as=("number",),
    read=_replicas,
    json={"type": "integer", "minimum": 0, "maximum": MOST_REPLICAS},
    example="2",
)
PER_REPLICA: Final = amounts.between("0.1", "100000", name="number of requests", example="2")
KV_SHARE: Final = amounts.between("10", "100", name="percentage", example="80")


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """What a replica shall have to bear; the signal that asks for most replicas wins."""

    queue: Annotated[Decimal | None, Key(PER_REPLICA, "Requests that wait in the queue of one replica.")] = None
    in_flight: Annotated[Decimal | None, Key(PER_REPLICA, "Requests that are open in one replica.")] = None
    kv_cache: Annotated[Decimal | None, Key(KV_SHARE, "Mean use of the replicas' KV caches, percent.")] = None
    time_to_first_token_ns: Annotated[
        int | None,
        Key(times.LATENCY, "90 % of first tokens come within this time.", name="time_to_first_token"),
    ] = None
    p99_ns: Annotated[int | None, Key(times.LATENCY, "99 % of requests take no longer than this.", name="p99")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wake:
    """Whose requests start the first replica while there is none: that of the model that calls this one."""

    service: Annotated[str, Key(texts.TEXT, "Service that is asked first.")]
    model: Annotated[str, Key(texts.TEXT, "Its model or route.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscaling:
    """Bounds and signals of a model's replicas; the whole Deployment is scaled."""

    kind: Annotated[Autoscaler, Key(scalars.choice(Autoscaler, "autoscaler"), "Who scales.")]
    min: Annotated[int, Key(REPLICAS, "Fewest replicas; 0: none while nobody asks.")]
    max: Annotated[int, Key(REPLICAS, "Most replicas.")]
    target: Annotated[Targets, Key(Nested(Targets), "What a replica shall have to bear.")]
    cold_start_ns: Annotated[
        int | None,
        Key(times.DURATION, "From a pod's creation until it answers.", name="cold_start"),
    ] = None
    gpu: Annotated[
        str | None, Key(texts.TEXT, "GPUs of a replica, as the driver names them; without it a CPU host is billed.")
    ] = None
    gpus: Annotated[int, Key(amounts.GPUS, "GPUs of one replica.")] = 1
    wake: Annotated[Wake | None, Key(Nested(Wake), "Who starts the first replica; with min: 0.")] = None
