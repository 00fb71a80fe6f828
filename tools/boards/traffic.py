"""The load of the proof: what each service does in a scrape's time, every time the same, so that its figures are known.

Rates are per `STEP_SECONDS`. What boards show of it is asserted by tests/peers/test_boards.py.
"""

from collections.abc import Iterator
from itertools import count
from typing import Final

from boards.devices import DECODES, EMBEDS
from boards.frame_rows import Tables
from boards.workers import HOST, MS, SECOND, Worker
from inferometer.catalog.stages import Kind, Outcome
from inferometer.record.model import Flag

STEP_SECONDS: Final = 15
GATEWAY, EMBEDDER, CHAT, LISTENER, CLASSIFIER = "gateway", "embedder", "assistant", "listener", "classifier"
SEARCH, FILES, MINILM, LLAMA, VAD, MAGIKA = "/search", "/files", "minilm", "llama-3.1 (8B)+it", "vad", "magika"
"""One name has what a regular expression would read otherwise."""
TENANTS: Final = ("acme", "globex", "initech")
"""The last one is not known to the fleet: it is counted as `other`."""
SEARCHES, FILE_CALLS, FAILED, EMBEDDINGS, CANARIES, CHATS, LISTENS, FILES_SEEN = 20, 10, 1, 16, 4, 3, 4, 10
"""Requests in a step; of the searches one fails, of the embeddings a fifth goes to the canary."""
SEARCH_MS, FILES_MS, V1_MS, V2_MS, VAD_MS, MAGIKA_MS, EMBED_MS, TOKEN_MS, FIRST_MS = 60, 20, 40, 90, 30, 5, 8, 20, 200
"""Durations: of whole requests, of an embedding's share of its batch, of a token, until the first token."""
CHAT_TOKENS, PROMPT = 50, 500
"""Tokens of an answer, and of what was asked."""
CANARY_FROM_STEP: Final = 120
"""Until then v1 does everything: half an hour before the end a new version comes."""
RESTART_STEPS: Final = 20
"""The chat's worker is replaced so often: each time a cold start with a model's load."""
_EMBEDDER_AT: Final = "embedder:8101"


class Traffic:
    """Makes what all workers tell of each step."""

    def __init__(self) -> None:
        self._ids = count(1)
        self.gateway = Worker(GATEWAY, 11, gauges=_gauges(4), region="eu-1")
        self.embedder = Worker(EMBEDDER, 12, models={MINILM: (1.2, EMBEDS)}, gauges=_gauges(2, {MINILM: 3}))
        self.listener = Worker(LISTENER, 13, models={VAD: (0.3, HOST)}, gauges=_gauges(1))
        self.classifier = Worker(CLASSIFIER, 14, models={MAGIKA: (0.4, HOST)}, gauges=_gauges(1))
        self.chat = self._new_chat(20)
        self.gone: list[bytes] = []

    def _new_chat(self, pid: int) -> Worker:
        return Worker(CHAT, pid, models={LLAMA: (3.5, DECODES)}, gauges=_gauges(2, {LLAMA: 1}), region="us-1")

    def step(self, number: int, now: int) -> Iterator[tuple[Worker, Tables]]:
        """Each worker with what ended in the step before *now*."""
        self.gone = []
        if number and number % RESTART_STEPS == 0:
            self.gone = [self.chat.identity]
            self.chat = self._new_chat(self.chat.pid + 1)
        for worker in (self.gateway, self.embedder, self.listener, self.classifier, self.chat):
            worker.gauges |= _risen(worker.frames)
        begin = now - STEP_SECONDS * SECOND
        gateway, embedder = Tables(self.gateway, self._ids), Tables(self.embedder, self._ids)
        self._searches(begin, gateway, embedder, canary=number >= CANARY_FROM_STEP)
        yield self.gateway, gateway
        yield self.embedder, embedder
        yield self.chat, self._chats(begin, first=number == 0 or bool(self.gone))
        yield self.listener, self._listens(begin)
        yield self.classifier, self._files(begin)

    def _searches(self, begin: int, gateway: Tables, embedder: Tables, *, canary: bool) -> None:
        """The gateway's requests and the embeddings that it asks for, in batches of four."""
        spread = STEP_SECONDS * SECOND // (SEARCHES + FILE_CALLS + 1)
        asked: list[tuple[int, int]] = []
        for nth in range(SEARCHES + FILE_CALLS):
            at, search = begin + nth * spread, nth < SEARCHES
            failed = nth < FAILED
            span = gateway.request(
                at, (SEARCH_MS if search else FILES_MS) * MS,
                outcome=Outcome.SERVER_ERROR if failed else Outcome.OK, entry=True, proxy_wait=5 * MS,
                bytes_in=2_000, bytes_out=8_000, model=SEARCH if search else FILES, tenant=TENANTS[nth % 3],
                region="eu-1", **{"class": "interactive" if nth % 2 else "batch"},
            )  # fmt: skip
            if search and not failed:
                asked.append((at + 5 * MS, gateway.call(span, at + 5 * MS, _EMBEDDER_AT, attempt=1)))
        # One answer came too late for its caller, who had tried again.
        late = gateway.call(1 << 40, begin, _EMBEDDER_AT, attempt=1, outcome=Outcome.TIMEOUT)
        again = gateway.call(1 << 40, begin + 60 * MS, _EMBEDDER_AT, attempt=2)
        asked = [(begin, late), (begin + 60 * MS, again), *asked]
        for first in range(0, EMBEDDINGS + CANARIES, 4):
            version, took = ("v2", V2_MS) if canary and first >= EMBEDDINGS else ("v1", V1_MS)
            self._batch(embedder, asked[first : first + 4], version, took * MS)

    def _batch(self, tables: Tables, members: list[tuple[int, int]], version: str, took: int) -> None:
        """Members come together in a batch; they have waited for each other, then the device works for all of them."""
        opened = max(at for at, _ in members)
        start, batch = opened + took - (EMBED_MS + 4) * MS, next(self._ids)
        shape = self.embedder.shape(service=EMBEDDER, model=MINILM, version=version, method="POST", route="/embed")
        for _, call in members:
            span = tables.request(
                opened, took, parent=call, model=MINILM, version=version, bytes_in=900, bytes_out=1_600,
                route="/embed", tenant=TENANTS[call % 3],
            )  # fmt: skip
            tables.waited(span, opened + MS, start)
            tables.execute(span, start, lasts=EMBED_MS * MS, device=EMBEDS, shape=shape, batch=batch, size=4)
        tables.batch(batch, opened=opened, start=start, lasts=EMBED_MS * MS, shape=shape, size=4)

    def _chats(self, begin: int, *, first: bool) -> Tables:
        """Streams of tokens; after a restart none in the time that the start took."""
        tables = Tables(self.chat, self._ids)
        lasts = (FIRST_MS + (CHAT_TOKENS - 1) * TOKEN_MS) * MS
        for nth in range(CHATS):
            at = begin + (6 * SECOND if first else 0) + nth * 2 * SECOND
            span = tables.request(
                at, lasts, entry=True, model=LLAMA, version="q4", region="us-1", route="/chat",
                tenant=TENANTS[nth % 3], flags=Flag.STREAM, first=FIRST_MS * MS, tokens_in=PROMPT,
                tokens_out=CHAT_TOKENS, chunks=CHAT_TOKENS, bytes_in=4_000, bytes_out=9_000,
            )  # fmt: skip
            run = {"device": DECODES, "shape": self.chat.shape(service=CHAT, model=LLAMA, version="q4", region="us-1")}
            tables.execute(span, at + 10 * MS, lasts=(FIRST_MS - 20) * MS, kind=Kind.PREFILL, tokens=PROMPT, **run)
            begins = at + FIRST_MS * MS
            tables.execute(span, begins, lasts=lasts - FIRST_MS * MS - MS, kind=Kind.DECODE, **run)
            tables.gaps(span, TOKEN_MS * MS, CHAT_TOKENS - 1)
        tables.request(
            begin + 12 * SECOND, 400 * MS, entry=True, model=LLAMA, version="q4", region="us-1", flags=Flag.WARMUP
        )
        return tables

    def _listens(self, begin: int) -> Tables:
        tables = Tables(self.listener, self._ids)
        for nth in range(LISTENS):
            at = begin + nth * SECOND
            span = tables.request(
                at, VAD_MS * MS, model=VAD, version="v1", flags=Flag.STREAM, first=10 * MS, chunks=4, entry=True,
                route="/listen", tenant=TENANTS[nth % 3],
            )  # fmt: skip
            shape = self.listener.shape(service=LISTENER, model=VAD, version="v1")
            tables.execute(span, at + 5 * MS, lasts=20 * MS, device=HOST, shape=shape)
        return tables

    def _files(self, begin: int) -> Tables:
        tables = Tables(self.classifier, self._ids)
        for nth in range(FILES_SEEN):
            at = begin + nth * SECOND
            span = tables.request(
                at, MAGIKA_MS * MS, model=MAGIKA, version="v1", route="/classify", tenant=TENANTS[nth % 3],
                entry=True, outcome=Outcome.OK if nth else Outcome.TIMEOUT,
            )  # fmt: skip
            shape = self.classifier.shape(service=CLASSIFIER, model=MAGIKA, version="v1")
            tables.execute(span, at + MS, lasts=3 * MS, device=HOST, shape=shape)
        return tables


def _gauges(in_flight: int, queued: dict[str, int] | None = None) -> dict[str, object]:
    return {
        "in_flight": in_flight,
        "queue_depth": queued or {},
        "event_loop_lag_ns": 3 * MS,
        "accept_queues": [2],
        "threads": [40, 5, 1],
        "hooks": {"fastapi": "active", "torch": "waiting", "grpc": "failed"},
        "resident_bytes": 300 << 20,
    }


def _risen(number: int) -> dict[str, object]:
    """Totals of a worker, which rise by the same with each step."""
    return {
        "cpu_ns": number * STEP_SECONDS * SECOND // 4,
        "gc_collections": [number * 10, number * 2, number],
        "drops": {"buffer_full": number},
        "hook_errors": {"grpc": number},
        "proxy_skews": number,
    }
