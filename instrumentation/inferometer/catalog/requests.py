"""Series of requests: what a served request took, how it ended, what it cost."""

from typing import Final

from inferometer.catalog.labels import (
    CLASS,
    CLOSE_REASON,
    DEVICE,
    DIRECTION,
    ENTRY,
    METHOD,
    MODEL,
    OUTCOME,
    PHASE,
    REGION,
    RESULT,
    SERVICE,
    SLO,
    STAGE,
    TENANT,
    VERSION,
)
from inferometer.catalog.model import Counter, Gauge, Histogram, Label, Unit

OF_MODEL: Final[tuple[Label, ...]] = (SERVICE, MODEL, VERSION, REGION)
"""Labels of every histogram of requests: no tenant, so that their number stays bounded."""
OF_TENANT: Final[tuple[Label, ...]] = (*OF_MODEL, TENANT)

REQUEST_DURATION: Final = Histogram(
    name="inference_request_duration_seconds",
    unit=Unit.SECONDS,
    help="From the arrival of a request's first byte to the last byte of its answer.",
    labels=OF_MODEL,
)
STAGE_DURATION: Final = Histogram(
    name="inference_stage_duration_seconds",
    unit=Unit.SECONDS,
    help="Exclusive time of one stage of a request; the stages of a request sum to its duration.",
    labels=(*OF_MODEL, STAGE),
)
PROXY_WAIT: Final = Histogram(
    name="inference_proxy_wait_seconds",
    unit=Unit.SECONDS,
    help="Time in a proxy before the request, by the proxy's clock; outside the duration.",
    labels=OF_MODEL,
)
TIME_TO_FIRST_CHUNK: Final = Histogram(
    name="inference_time_to_first_chunk_seconds",
    unit=Unit.SECONDS,
    help="From a request's arrival to the first non-empty chunk of its streamed answer.",
    labels=OF_MODEL,
)
TIME_TO_FIRST_TOKEN: Final = Histogram(
    name="inference_time_to_first_token_seconds",
    unit=Unit.SECONDS,
    help="From a request's arrival to its first output token.",
    labels=OF_MODEL,
)
TIME_PER_OUTPUT_TOKEN: Final = Histogram(
    name="inference_time_per_output_token_seconds",
    unit=Unit.SECONDS,
    help="Mean time per output token after the first, one observation per request.",
    labels=OF_MODEL,
)
INTER_TOKEN: Final = Histogram(
    name="inference_inter_token_seconds",
    unit=Unit.SECONDS,
    help="Time between two tokens of a streamed answer; one observation per token after the first.",
    labels=OF_MODEL,
)
TOKENS: Final = Counter(
    name="inference_tokens_total",
    unit=Unit.COUNT,
    help="Tokens read and written.",
    labels=(*OF_TENANT, DIRECTION),
)
REQUESTS: Final = Counter(
    name="inference_requests_total",
    unit=Unit.COUNT,
    help="Requests that ended, by outcome; a request is one hop, entry hops have no instrumented caller.",
    labels=(*OF_TENANT, CLASS, OUTCOME, ENTRY),
)
SLO_EVENTS: Final = Counter(
    name="inference_slo_events_total",
    unit=Unit.COUNT,
    help="Requests that count for an objective, good or bad, judged exactly by its threshold.",
    labels=(SERVICE, MODEL, VERSION, REGION, CLASS, SLO, RESULT),
)
IN_FLIGHT: Final = Gauge(
    name="inference_requests_in_flight",
    unit=Unit.COUNT,
    help="Requests that are open now.",
    labels=(SERVICE, REGION),
)
QUEUE_DEPTH: Final = Gauge(
    name="inference_queue_depth",
    unit=Unit.COUNT,
    help="Requests that wait in a queue now: a batch queue, or the engine's.",
    labels=(SERVICE, MODEL, REGION),
)
BATCH_SIZE: Final = Histogram(
    name="inference_batch_size",
    unit=Unit.COUNT,
    help="Requests per executed batch.",
    labels=OF_MODEL,
)
BATCHES: Final = Counter(
    name="inference_batches_total",
    unit=Unit.COUNT,
    help="Batches that were closed, by reason.",
    labels=(*OF_MODEL, CLOSE_REASON),
)
WARMUP_REQUESTS: Final = Counter(
    name="inference_warmup_requests_total",
    unit=Unit.COUNT,
    help="Requests marked as warm-up; they are outside every other series of requests.",
    labels=OF_MODEL,
)
MODEL_LOAD: Final = Histogram(
    name="inference_model_load_seconds",
    unit=Unit.SECONDS,
    help="Time to load a model.",
    labels=(SERVICE, MODEL, REGION),
)
COLD_STARTS: Final = Counter(
    name="inference_cold_starts_total",
    unit=Unit.COUNT,
    help="Processes that got ready to serve; each counts when its first request was answered, or a minute later.",
    labels=(SERVICE, REGION),
)
COLD_START: Final = Histogram(
    name="inference_cold_start_seconds",
    unit=Unit.SECONDS,
    help="From a process's start, of a forked worker its fork, until it was ready to serve.",
    labels=(SERVICE, REGION),
)
REQUEST_BYTES: Final = Histogram(
    name="inference_request_bytes", unit=Unit.BYTES, help="Size of request bodies.", labels=OF_MODEL
)
RESPONSE_BYTES: Final = Histogram(
    name="inference_response_bytes", unit=Unit.BYTES, help="Size of response bodies.", labels=OF_MODEL
)
DEVICE_SECONDS: Final = Counter(
    name="inference_device_seconds_total",
    unit=Unit.SECONDS,
    help="Device time attributed to requests, from the conserved ledger.",
    labels=(*OF_TENANT, DEVICE, PHASE, OUTCOME, METHOD),
)
COST: Final = Counter(
    name="inference_cost_usd_total",
    unit=Unit.USD,
    help="Marginal cost of requests: their device time at the device's price, without idle time.",
    labels=(*OF_TENANT, PHASE, OUTCOME, METHOD),
)
RETRIED_COST: Final = Counter(
    name="inference_retried_cost_usd_total",
    unit=Unit.USD,
    help="Marginal cost of good answers to attempts that their caller had given up or tried again: for nothing.",
    labels=OF_TENANT,
)
REQUEST_COST: Final = Histogram(
    name="inference_request_cost_usd", unit=Unit.USD, help="Marginal cost of one request.", labels=OF_MODEL
)
ENERGY: Final = Counter(
    name="inference_energy_joules_total",
    unit=Unit.JOULES,
    help="Energy attributed to requests, where the device's energy is known: divided like its time.",
    labels=(*OF_TENANT, PHASE, OUTCOME, METHOD),
)
EVENT_LOOP_LAG: Final = Gauge(
    name="inference_event_loop_lag_seconds",
    unit=Unit.SECONDS,
    help="Longest delay of a timer in a worker's event loop since its last frame; the worst worker.",
    labels=(SERVICE, REGION),
)
ACCEPT_QUEUE: Final = Gauge(
    name="inference_accept_queue_depth",
    unit=Unit.COUNT,
    help="Connections that no worker has accepted yet, in the fullest of a service's listening sockets.",
    labels=(SERVICE, REGION),
)
THREADS: Final = Gauge(
    name="inference_threadpool_threads",
    unit=Unit.COUNT,
    help="Threads that synchronous endpoints may use, of all workers.",
    labels=(SERVICE, REGION),
)
THREADS_BUSY: Final = Gauge(
    name="inference_threadpool_busy_threads",
    unit=Unit.COUNT,
    help="Threads that are in use now, of all workers.",
    labels=(SERVICE, REGION),
)
THREADS_WAITED_FOR: Final = Gauge(
    name="inference_threadpool_waiting_calls",
    unit=Unit.COUNT,
    help="Calls that wait for a thread now, of all workers.",
    labels=(SERVICE, REGION),
)
