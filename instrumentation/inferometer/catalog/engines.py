"""Series that only engines tell of, as their pages are mapped, and how each page and its scrapes are.

What engines and instrumented services both tell has one entry, in ``catalog.requests``. Every series of an engine
carries `REPLICA` besides its entry's labels: engines restart, scale and fail one by one.
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Final, TypeVar

from inferometer.catalog import requests
from inferometer.catalog.labels import (
    CLASS,
    DIRECTION,
    ENGINE,
    ENGINE_VERSION,
    ENTRY,
    LOAD_PHASE,
    LOOKUP,
    MODEL,
    REGION,
    REPLICA,
    SCRAPE_FAILURE,
    SERVICE,
    STAGE,
    TENANT,
    VERSION,
    VERSION_FROM,
)
from inferometer.catalog.model import Counter, Gauge, Histogram, Info, Label, Series, Unit
from inferometer.catalog.stages import Stage

OF_ENGINE: Final[tuple[Label, ...]] = (SERVICE, MODEL, VERSION, REGION, REPLICA)
OF_REPLICA: Final[tuple[Label, ...]] = (SERVICE, REGION, REPLICA)

RUNNING: Final = Gauge(
    name="inference_running_requests",
    unit=Unit.COUNT,
    help="Requests that the engine works on now; those that wait are `inference_queue_depth`.",
    labels=OF_ENGINE,
)
KV_CACHE: Final = Gauge(
    name="inference_kv_cache_usage_ratio",
    unit=Unit.RATIO,
    help="Share of the KV cache that is in use; requests wait or are preempted when it is full.",
    labels=OF_ENGINE,
)
PREEMPTIONS: Final = Counter(
    name="inference_preemptions_total",
    unit=Unit.COUNT,
    help="Times that a running request lost its place in the KV cache and had to begin again.",
    labels=OF_ENGINE,
)
PREFIX_QUERIES: Final = Counter(
    name="inference_prefix_cache_queried_tokens_total",
    unit=Unit.COUNT,
    help="Prompt tokens that were looked up in the prefix cache.",
    labels=OF_ENGINE,
)
PREFIX_HITS: Final = Counter(
    name="inference_prefix_cache_hit_tokens_total",
    unit=Unit.COUNT,
    help="Prompt tokens that the prefix cache had, so that nobody computed them again.",
    labels=OF_ENGINE,
)
CACHE_LOOKUPS: Final = Counter(
    name="inference_cache_lookups_total",
    unit=Unit.COUNT,
    help="Requests looked up in the engine's cache of whole answers.",
    labels=(*OF_ENGINE, LOOKUP),
)
PREFILL: Final = Histogram(
    name="inference_prefill_seconds",
    unit=Unit.SECONDS,
    help="From a request's first step to its first token: its prompt is computed.",
    labels=OF_ENGINE,
)
DECODE: Final = Histogram(
    name="inference_decode_seconds",
    unit=Unit.SECONDS,
    help="From a request's first token to its last.",
    labels=OF_ENGINE,
)
INPUT_LENGTH: Final = Histogram(
    name="inference_request_input_tokens",
    unit=Unit.COUNT,
    help="Tokens that a request brought.",
    labels=OF_ENGINE,
)
OUTPUT_LENGTH: Final = Histogram(
    name="inference_request_output_tokens",
    unit=Unit.COUNT,
    help="Tokens that a request was answered with.",
    labels=OF_ENGINE,
)
STEP_TOKENS: Final = Histogram(
    name="inference_step_tokens",
    unit=Unit.COUNT,
    help="Tokens that one step of the engine computed.",
    labels=OF_ENGINE,
)
BUSY: Final = Counter(
    name="inference_engine_busy_seconds_total",
    unit=Unit.SECONDS,
    help="Time in which the engine computed batches, not the sum of its requests' times.",
    labels=OF_ENGINE,
)
LAST_LOAD: Final = Gauge(
    name="inference_last_model_load_seconds",
    unit=Unit.SECONDS,
    help="How long the last load of a model took, where the engine keeps no distribution.",
    labels=(*OF_ENGINE, LOAD_PHASE),
)

UP: Final = Gauge(
    name="inference_engine_up",
    unit=Unit.COUNT,
    help="1 while the engine's page is read, 0 while it is not.",
    labels=OF_REPLICA,
)
INFO: Final = Info(
    name="inference_engine_info",
    unit=Unit.COUNT,
    help="Which engine a page is of, and who says its version.",
    labels=(*OF_REPLICA, ENGINE, ENGINE_VERSION, VERSION_FROM),
)
RESTARTS: Final = Counter(
    name="inference_engine_restarts_total",
    unit=Unit.COUNT,
    help="Times that an engine's own totals began anew; the series here go on.",
    labels=OF_REPLICA,
)
UNKNOWN: Final = Gauge(
    name="inference_engine_unknown_series",
    unit=Unit.COUNT,
    help="Families of the engine's own names that its mapping does not know: `inferometer engines check` lists them.",
    labels=OF_REPLICA,
)
SCRAPE_TIME: Final = Gauge(
    name="inferometer_engine_scrape_seconds",
    unit=Unit.SECONDS,
    help="How long the last page took, from the connection to its series.",
    labels=OF_REPLICA,
)
PAGE_SIZE: Final = Gauge(
    name="inferometer_engine_page_bytes", unit=Unit.BYTES, help="Size of the engine's page.", labels=OF_REPLICA
)
SCRAPE_FAILURES: Final = Counter(
    name="inferometer_engine_scrape_failures_total",
    unit=Unit.COUNT,
    help="Pages that could not be read.",
    labels=(*OF_REPLICA, SCRAPE_FAILURE),
)

_S = TypeVar("_S", bound=Series)
_UNTOLD: Final = (TENANT, CLASS, ENTRY)
"""What no page tells."""


@cache
def of_engine(entry: _S) -> _S:
    """An entry as engines show it: with the replica, without tenant, class and entry, which no page tells."""
    kept = [label for label in entry.labels if label not in _UNTOLD]
    return replace(entry, labels=(*kept, *(label for label in OF_ENGINE if label not in kept)))


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing that engines are asked for: a series, or one stage or direction of it."""

    entry: Series
    label: Label | None = None
    value: str = ""
    """Of that label."""

    @property
    def name(self) -> str:
        """The series with its label, as PromQL writes it."""
        return self.entry.name if self.label is None else f'{self.entry.name}{{{self.label.name}="{self.value}"}}'


_STAGES: Final = (
    Stage.NETWORK,
    Stage.QUEUE,
    Stage.DESERIALIZE,
    Stage.PREPROCESS,
    Stage.EXECUTE,
    Stage.POSTPROCESS,
    Stage.SERIALIZE,
)
SIGNALS: Final[tuple[Signal, ...]] = (
    Signal(requests.REQUESTS),
    Signal(requests.REQUEST_DURATION),
    *(Signal(requests.STAGE_DURATION, STAGE, stage.label) for stage in _STAGES),
    Signal(requests.IN_FLIGHT),
    Signal(RUNNING),
    Signal(requests.QUEUE_DEPTH),
    Signal(requests.BATCH_SIZE),
    Signal(requests.TIME_TO_FIRST_CHUNK),
    Signal(requests.TIME_TO_FIRST_TOKEN),
    Signal(requests.TIME_PER_OUTPUT_TOKEN),
    Signal(requests.INTER_TOKEN),
    Signal(PREFILL),
    Signal(DECODE),
    *(Signal(requests.TOKENS, DIRECTION, direction) for direction in DIRECTION.values),
    Signal(INPUT_LENGTH),
    Signal(OUTPUT_LENGTH),
    Signal(STEP_TOKENS),
    Signal(KV_CACHE),
    Signal(PREEMPTIONS),
    Signal(PREFIX_QUERIES),
    Signal(PREFIX_HITS),
    Signal(CACHE_LOOKUPS),
    Signal(BUSY),
    Signal(requests.MODEL_LOAD),
    Signal(LAST_LOAD),
)
"""All that an engine may tell; of each, every mapping says how good it is, or why it is absent."""
