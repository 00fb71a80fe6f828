"""Where the time and the money of every inference request go.

``import inferometer.auto`` records; what is here adds what only the application knows::

    with inferometer.stage("preprocess"):
        ids = tokenize(text)
    inferometer.annotate(model="minilm", tenant=tenant)
    inferometer.tokens(input=len(ids))

    @inferometer.batch(max_size=8, max_wait=0.005)
    async def embed(texts: list[str]) -> list[Vector]: ...
"""

from inferometer.api import batch, flush
from inferometer.recorder.asgi import asgi
from inferometer.recorder.marks import annotate, stage, tokens
from inferometer.recorder.wsgi import wsgi
from inferometer.version import VERSION

__version__ = VERSION

__all__ = ["__version__", "annotate", "asgi", "batch", "flush", "stage", "tokens", "wsgi"]
