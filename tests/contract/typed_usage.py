"""Every public function, used as its users do: mypy checks this file as strictly as our own."""

import asyncio
from collections.abc import Callable, Iterable, MutableMapping
from pathlib import Path
from typing import assert_type
from wsgiref.types import StartResponse, WSGIEnvironment

import inferometer
from inferometer.record.model import RequestRecord
from inferometer.testing import Collector, recorded


@inferometer.batch(max_size=8, max_wait=0.005)
async def embed(texts: list[str]) -> list[list[float]]:
    """A model that takes many at a time."""
    return [[float(len(text))] for text in texts]


@inferometer.batch()
def count(texts: list[str]) -> list[int]:
    """A synchronous one."""
    return [len(text) for text in texts]


async def endpoint(text: str) -> list[float]:
    """What an application does in a request."""
    async with inferometer.stage("preprocess"):
        words = text.split()
    with inferometer.stage("execute"):
        inferometer.annotate(model="minilm", version="1", tenant="acme", request_class="batch", cache_hit=True)
    inferometer.annotate(degraded=True, rejected=False, warmup=True)
    inferometer.tokens(input=len(words), output=3)
    assert_type(await count(text), int)
    vector = await embed(text)
    assert_type(vector, list[float])
    return vector


@inferometer.request("rank", model="ranker")
def rank(x: int, *, twice: bool = False) -> str:
    """Each call is a request."""
    return str(x * 2 if twice else x)


@inferometer.request("rank")
async def rank_later(x: int) -> int:
    """So is each call of a coroutine function."""
    return x


def consume(headers: dict[str, str], pairs: list[tuple[str, bytes]], other: dict[bytes, bytes]) -> None:
    """Headers as different libraries have them."""
    with inferometer.request("a", headers=headers, version="1", tenant="acme", request_class="batch", queued_at=1.5):
        assert_type(rank(1, twice=True), str)
    with inferometer.request("b", headers=pairs), inferometer.request("c", headers=other):
        assert_type(asyncio.run(rank_later(1)), int)
    with inferometer.request("d", headers=None):
        pass
    assert_type(inferometer.flush(), bool)
    assert_type(inferometer.flush(1.0), bool)


def old(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A WSGI application."""
    start_response("200 OK", [])
    return [b""]


wsgi_application = inferometer.wsgi(inferometer.wsgi(old))


async def new(scope: object, receive: object, send: object) -> None:
    """An ASGI application."""


asgi_application = inferometer.asgi(new)
version: str = inferometer.__version__
processors: list[Callable[[object, str, MutableMapping[str, object]], MutableMapping[str, object]]] = [
    inferometer.structlog_processor
]


def own_test(folder: Path) -> RequestRecord:
    """A user's own test."""
    with Collector(folder / "intake.sock") as collector:
        assert_type(collector.address, str)
        (record,) = collector.wait(1, seconds=5.0)
        assert_type(record, RequestRecord)
    with recorded() as requests:
        assert_type(requests, Collector)
        return record
