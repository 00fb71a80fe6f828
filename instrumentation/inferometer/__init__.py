"""Where the time and the money of every inference request go.

``import inferometer.auto`` records; what is here adds what only the application knows::

    with inferometer.stage("preprocess"):
        ids = tokenize(text)
    inferometer.annotate(model="minilm", tenant=tenant)
    inferometer.tokens(input=len(ids))

    @inferometer.batch(max_size=8, max_wait=0.005)
    async def embed(texts: list[str]) -> list[Vector]: ...

Logs carry the ids of the request's trace with ``INFEROMETER_LOG_CORRELATION=1`` (``logging``) or with
`structlog_processor` among the processors of structlog. `inferometer.testing.recorded` lets a test of your own assert
on the records.
"""

from inferometer.api import batch, flush
from inferometer.recorder.asgi import asgi
from inferometer.recorder.job import request
from inferometer.recorder.log_ids import structlog_processor
from inferometer.recorder.marks import annotate, stage, tokens
from inferometer.recorder.wsgi import wsgi
from inferometer.version import VERSION

__version__ = VERSION

__all__ = [
    "__version__",
    "annotate",
    "asgi",
    "batch",
    "flush",
    "request",
    "stage",
    "structlog_processor",
    "tokens",
    "wsgi",
]
