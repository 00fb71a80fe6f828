"""A service, what serves it, and its models, as fleet.yaml writes them; times are nanoseconds."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final

from inferometer.fleet import scalars, texts, times
from inferometer.fleet.autoscaling import Autoscaling
from inferometer.fleet.engines.kinds import NUMBER, SIGNAL_NAME, VERSION_TEXT
from inferometer.fleet.kubernetes import USUAL_WORKLOAD, Workload
from inferometer.fleet.page_access import PageAccess
from inferometer.fleet.promises import Override
from inferometer.fleet.schema import Dictionary, Key, Listing, Nested, Table
from inferometer.fleet.timeouts import DEFAULT_TIMEOUT_NS


class Engine(StrEnum):
    """Servers whose requests the SDK sees itself, and foreign ones whose pages are read (docs/engines.md)."""

    FASTAPI = "fastapi"
    STARLETTE = "starlette"
    ASGI = "asgi"
    BENTOML = "bentoml"
    DYNAMO = "dynamo"
    DYNAMO_WORKER = "dynamo-worker"
    KSERVE = "kserve"
    LITELLM = "litellm"
    LITSERVE = "litserve"
    LLM_D_EPP = "llm-d-epp"
    MLSERVER = "mlserver"
    NIM = "nim"
    PRODUCTION_STACK = "production-stack"
    RAY_SERVE = "ray-serve"
    SELDON = "seldon"
    SGLANG = "sglang"
    SGLANG_ROUTER = "sglang-router"
    TENSORRT_LLM = "tensorrt-llm"
    TF_SERVING = "tf-serving"
    TGI = "tgi"
    TORCHSERVE = "torchserve"
    TRITON = "triton"
    VLLM = "vllm"


INSTRUMENTED: Final = frozenset({Engine.FASTAPI, Engine.STARLETTE, Engine.ASGI})
"""Engines whose requests are judged one by one."""


class ScrapedBy(StrEnum):
    """Who reads a foreign engine's page."""

    SIDECAR = "sidecar"
    PROMETHEUS = "prometheus"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model of a service and what it promises."""

    name: str
    objectives: Annotated[
        tuple[str, ...] | None,
        Key(Listing(texts.SLUG, unique=True), "Objectives of this model, by name; else those of its service."),
    ] = None
    overrides: Annotated[
        tuple[Override, ...], Key(Table(Override, texts.SLUG), "What it promises otherwise, by objective.")
    ] = ()
    autoscaling: Annotated[Autoscaling | None, Key(Nested(Autoscaling), "How many replicas there are.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service: what serves it, and its models by the name that stands in the label `model`."""

    name: str
    engine: Annotated[Engine, Key(scalars.choice(Engine, "engine"), "What serves the models.")]
    timeout_ns: Annotated[
        int,
        Key(
            times.DURATION,
            "After this time a request that the client gave up counts as timed out; 30s unless said otherwise.",
            name="timeout",
        ),
    ] = DEFAULT_TIMEOUT_NS
    objectives: Annotated[
        tuple[str, ...] | None,
        Key(Listing(texts.SLUG, unique=True), "Objectives of each model that names none; else those of `defaults`."),
    ] = None
    overrides: Annotated[
        tuple[Override, ...], Key(Table(Override, texts.SLUG), "What its models promise otherwise, by objective.")
    ] = ()
    team: Annotated[str | None, Key(texts.SLUG, "Who is told of its alerts; the fleet's team unless said.")] = None
    kubernetes: Annotated[Workload, Key(Nested(Workload), "Its Deployment.")] = USUAL_WORKLOAD
    version: Annotated[
        str | None, Key(VERSION_TEXT, "Version of a foreign engine, where its page does not say it.")
    ] = None
    pages: Annotated[
        tuple[str, ...], Key(Listing(texts.URL, unique=True), "Pages of a foreign engine, one per replica.")
    ] = ()
    scraped_by: Annotated[
        ScrapedBy,
        Key(scalars.choice(ScrapedBy, "reader of pages"), "Who reads the pages: sidecar unless said otherwise."),
    ] = ScrapedBy.SIDECAR
    access: Annotated[PageAccess | None, Key(Nested(PageAccess), "What the pages ask for; secrets by their files.")] = (
        None
    )
    devices: Annotated[
        tuple[str, ...],
        Key(
            Listing(texts.TEXT),
            "What the engine of each page runs on, in the pages' order, or one for all: UUIDs of GPUs with commas.",
        ),
    ] = ()
    buckets: Annotated[
        tuple[tuple[str, tuple[Decimal, ...]], ...],
        Key(
            Dictionary(SIGNAL_NAME, Listing(NUMBER, unique=True)),
            "Boundaries that a foreign engine was started with, by signal and in base units, where not its usual ones.",
        ),
    ] = ()
    models: Annotated[tuple[Model, ...], Key(Table(Model, texts.TEXT), "Models by name.")]

    @property
    def instrumented(self) -> bool:
        """Whether the SDK sees its requests; otherwise its own page is read."""
        return self.engine in INSTRUMENTED
