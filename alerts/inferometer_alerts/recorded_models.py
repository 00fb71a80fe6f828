"""What rules record of models: how they answer, and what tells how many replicas they need."""

from typing import Final

from inferometer.catalog.labels import OUTCOME, STAGE, VERSION
from inferometer.catalog.model import Unit
from inferometer_alerts.rule_labels import OF_MODEL, QUANTILE
from inferometer_alerts.rule_series import Recorded

MODEL_REQUESTS: Final = Recorded(
    name="model:requests:rate5m",
    unit=Unit.COUNT,
    help="Requests per second, by outcome.",
    labels=(*OF_MODEL, VERSION, OUTCOME),
)
MODEL_DURATION: Final = Recorded(
    name="model:request_duration_seconds:quantile5m",
    unit=Unit.SECONDS,
    help="Quantiles of the duration, from the native histograms.",
    labels=(*OF_MODEL, VERSION, QUANTILE),
)
MODEL_FIRST_CHUNK: Final = Recorded(
    name="model:time_to_first_chunk_seconds:quantile5m",
    unit=Unit.SECONDS,
    help="Quantiles of the time to the first chunk.",
    labels=(*OF_MODEL, VERSION, QUANTILE),
)
MODEL_STAGE_MEAN: Final = Recorded(
    name="model:stage_seconds:mean5m",
    unit=Unit.SECONDS,
    help="Mean time per request in each stage; the stages sum to the mean duration.",
    labels=(*OF_MODEL, STAGE),
)
MODEL_QUEUED: Final = Recorded(
    name="model:queue_depth:sum1m",
    unit=Unit.COUNT,
    help="Requests that wait, of all replicas; the most of a minute in each.",
    labels=OF_MODEL,
)
MODEL_OPEN: Final = Recorded(
    name="model:requests_in_flight:sum1m",
    unit=Unit.COUNT,
    help="Requests that are open in the model's service, of all replicas; the most of a minute in each.",
    labels=OF_MODEL,
)
MODEL_KV_CACHE: Final = Recorded(
    name="model:kv_cache_usage:mean1m",
    unit=Unit.RATIO,
    help="Mean use of the replicas' KV caches; the most of a minute in each.",
    labels=OF_MODEL,
)
MODEL_FIRST_TOKEN: Final = Recorded(
    name="model:time_to_first_token_seconds:p90_2m",
    unit=Unit.SECONDS,
    help="90 % of first tokens came within this time; 0 where nobody asked.",
    labels=OF_MODEL,
)
MODEL_TAIL: Final = Recorded(
    name="model:request_duration_seconds:p99_2m",
    unit=Unit.SECONDS,
    help="99 % of requests took no longer; 0 where nobody asked.",
    labels=OF_MODEL,
)
MODEL_BURNING: Final = Recorded(
    name="model:burning:any",
    unit=Unit.COUNT,
    help="1 while a budget of the model is used faster than it may be, else 0: no replica is taken away then.",
    labels=OF_MODEL,
)
MODEL_WANTED: Final = Recorded(
    name="model:wanted:any",
    unit=Unit.COUNT,
    help="1 while somebody asks the service in front of a model that sleeps, else 0.",
    labels=OF_MODEL,
)
