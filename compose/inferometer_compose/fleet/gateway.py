"""The way in: ``/search``, ``/files`` and ``/listen``, each answered with the help of another service."""

import asyncio
import os
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import numpy as np
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

import inferometer
import inferometer.auto  # the one line
from inferometer_compose.faults import Fault
from inferometer_compose.fleet.control import WARM_UP, FaultSwitch, control_routes
from inferometer_compose.fleet.corpus import TITLES
from inferometer_compose.fleet.relay import relay
from inferometer_compose.fleet.speech import SAMPLES_PER_SECOND

TIMEOUT_SECONDS = 10.0
SHARE_OF_V2 = 0.4
SLOW_NETWORK_SECONDS = 0.060
_STATUS_OF_A_FAILED_CALLEE = 502
_CLOSED = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
_WARM_UP_SECONDS = 30.0
_WARM_UP_ROUNDS = 4


class SearchRequest(BaseModel):
    """What somebody is looking for."""

    query: str = Field(min_length=1, max_length=4000)
    limit: int = Field(default=3, ge=1, le=10)


class Hit(BaseModel):
    """A help page and how near it is to the query: the cosine of their vectors."""

    title: str
    similarity: float


class SearchResponse(BaseModel):
    """The nearest pages, nearest first."""

    version: str
    hits: list[Hit]


class Gateway:
    """The gateway's connections and the vectors of the help pages."""

    def __init__(self, embedder: str, classifier: str, listener: str) -> None:
        self.embedder = embedder
        self.classifier = classifier
        self.listener = listener
        self.client = httpx.AsyncClient(timeout=TIMEOUT_SECONDS)
        self.switch = FaultSwitch()
        self.pages = np.zeros((0, 0), dtype=np.float32)
        self._slow_network = AsyncExitStack()
        self._straight = embedder

    async def warm_up(self) -> None:
        """Embed the help pages and call everybody a few times, so that nobody's first request is a slow one.

        Raises:
            httpx.HTTPError: a service did not get ready in time, or does not answer as it should.
        """
        answer = await self._first_answer(f"{self.embedder}/embed", json={"texts": list(TITLES)})
        self.pages = np.asarray(answer.json()["vectors"], dtype=np.float32)
        silence = bytes(2 * SAMPLES_PER_SECOND)
        calls: list[tuple[str, dict[str, Any]]] = [
            *((f"{self.embedder}/embed", {"json": {"texts": [TITLES[0]], "version": v}}) for v in ("v1", "v2")),
            (f"{self.classifier}/classify", {"content": b"import this\n"}),
            (f"{self.listener}/listen", {"content": silence}),
        ]
        await asyncio.gather(*(self._first_answer(url, **body) for url, body in calls * _WARM_UP_ROUNDS))

    async def _first_answer(self, url: str, **body: Any) -> httpx.Response:
        deadline = asyncio.get_running_loop().time() + _WARM_UP_SECONDS
        while True:
            try:
                answer = await self.client.post(url, headers={WARM_UP: "1"}, **body)
                return answer.raise_for_status()
            except httpx.TransportError:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(0.1)

    async def follow(self, fault: Fault | None) -> None:
        """Go to the embedder through a slow relay while the network is to be slow.

        The relay stays open when the fault ends: requests that are on their way through it arrive.
        """
        self.embedder = self._straight
        if fault is Fault.SLOW_NETWORK:
            await self._slow_network.aclose()
            url = httpx.URL(self._straight)
            line = relay(url.host, url.port or 80, delay_seconds=SLOW_NETWORK_SECONDS)
            port = await self._slow_network.enter_async_context(line)
            self.embedder = f"http://127.0.0.1:{port}"

    async def close(self) -> None:
        """Close the connections."""
        await self._slow_network.aclose()
        await self.client.aclose()

    def nearest(self, vector: Sequence[float], limit: int) -> list[Hit]:
        """The help pages nearest to a vector of length 1."""
        cosines = self.pages @ np.asarray(vector, dtype=np.float32)
        best = np.argsort(-cosines)[:limit]
        return [Hit(title=TITLES[page], similarity=round(float(cosines[page]), 4)) for page in best]


gateway = Gateway(
    os.environ.get("DEMO_EMBEDDER_URL", "http://127.0.0.1:8101"),
    os.environ.get("DEMO_CLASSIFIER_URL", "http://127.0.0.1:8102"),
    os.environ.get("DEMO_LISTENER_URL", "http://127.0.0.1:8103"),
)


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    await gateway.warm_up()
    yield
    await gateway.close()


app = FastAPI(title="gateway", lifespan=_lifespan)
app.include_router(control_routes(gateway.switch, gateway.follow))


@app.post("/search")
async def search(order: SearchRequest, request: Request) -> SearchResponse:
    """The help pages that mean what the query means."""
    # A canary split by the query, so that the same question always meets the same version.
    version = "v2" if zlib.crc32(order.query.encode()) % 100 < 100 * SHARE_OF_V2 else "v1"
    body = {"texts": [order.query], "version": version}
    answer = await _ask(f"{gateway.embedder}/embed", request, json=body)
    found = answer.json()
    with inferometer.stage("postprocess"):
        hits = gateway.nearest(found["vectors"][0], order.limit)
    return SearchResponse(version=found["version"], hits=hits)


@app.post("/files")
async def files(request: Request) -> dict[str, Any]:
    """The type of the file that is the body."""
    answer = await _ask(f"{gateway.classifier}/classify", request, content=await request.body())
    found: dict[str, Any] = answer.json()
    return found


@app.post("/listen")
async def listen(request: Request) -> StreamingResponse:
    """Speech activity of the recording that is the body, passed on line by line."""
    answer = await _ask(f"{gateway.listener}/listen", request, stream=True, content=await request.body())

    async def lines() -> AsyncIterator[bytes]:
        try:
            async for piece in answer.aiter_raw():
                yield piece
        finally:
            await answer.aclose()

    return StreamingResponse(lines(), media_type="application/x-ndjson")


async def _ask(url: str, request: Request, *, stream: bool = False, **body: Any) -> httpx.Response:
    headers = {"x-tenant": tenant} if (tenant := request.headers.get("x-tenant")) else {}
    outgoing = gateway.client.build_request("POST", url, headers=headers, **body)
    try:
        try:
            answer = await gateway.client.send(outgoing, stream=stream)
        except _CLOSED:
            # The callee closed a kept connection as we took it; uvicorn does after an exception. Asking twice is safe.
            answer = await gateway.client.send(outgoing, stream=stream)
    except httpx.TimeoutException as error:
        raise HTTPException(504, f"{url} did not answer in {TIMEOUT_SECONDS:.0f} s") from error
    except httpx.TransportError as error:
        raise HTTPException(503, f"{url} cannot be reached: {error}") from error
    if answer.is_success:
        return answer
    await answer.aclose()
    if answer.is_client_error:
        raise HTTPException(answer.status_code, f"{url} refused the request")
    raise HTTPException(_STATUS_OF_A_FAILED_CALLEE, f"{url} answered {answer.status_code}")
