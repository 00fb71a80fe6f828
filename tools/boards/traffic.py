"""The load of the proof: what each service does in a scrape's time, every time the same, so that its figures are known.

Rates are per `STEP_SECONDS`. What boards show of it is asserted by tests/peers/test_boards.py.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from boards.devices import DECODES, EMBEDS
from boards.workers import HOST, MS, SECOND, Worker, row
from inferometer.catalog.requests import INTER_TOKEN
from inferometer.catalog.sketch import TOP, sketch
from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.record.model import Flag
from inferometer.wire.layout import BATCHES, CALLS, EXECUTES, GAPS, INTERVALS, REQUESTS, Section

STEP_SECONDS: Final = 15
GATEWAY, EMBEDDER, CHAT, LISTENER, CLASSIFIER = "gateway", "embedder", "assistant", "listener", "classifier"
SEARCH, FILES, MINILM, LLAMA, VAD, MAGIKA = "/search", "/files", "minilm", "llama-3.1 (8B)+it", "vad", "magika"
"""One name has what a regular expression would read otherwise."""
TENANTS: Final = ("acme", "globex", "initech")
"""The last one is not known to the fleet: it is counted as `other`."""
SEARCHES, FILE_CALLS, FAILED, EMBEDDINGS, CANARIES, CHATS, LISTENS, FILES_SEEN = 20, 10, 1, 16, 4, 3, 4, 10
"""Requests in a step; of the searches one fails, of the embeddings a fifth goes to the canary."""
SEARCH_MS, FILES_MS, V1_MS, V2_MS, EMBED_MS, CHAT_TOKENS, TOKEN_MS, FIRST_MS, PROMPT = (
    60,
    20,
    40,
    90,
    8,
    50,
    20,
    200,
    500,
)
VAD_MS, MAGIKA_MS = 30, 5
"""Durations: of whole requests, of an embedding's share of its batch, of a token."""
CANARY_FROM_STEP: Final = 120
"""Until then v1 does everything: half an hour before the end a new version comes."""
RESTART_STEPS: Final = 20
"""The chat's worker is replaced so often: each time a cold start with a model's load."""
_GAPS: Final = sketch(TOP[INTER_TOKEN.unit], INTER_TOKEN.scale)


@dataclass
class Tables:
    """Rows of one worker's next frame."""

    rows: dict[Section, list[bytes]] = field(default_factory=dict)

    def add(self, section: Section, encoded: bytes) -> None:
        """One row more."""
        self.rows.setdefault(section, []).append(encoded)

    def packed(self) -> dict[Section, bytes]:
        """As a frame holds them."""
        return {section: b"".join(rows) for section, rows in self.rows.items()}


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
        attempts = Tables(), Tables()
        self._searches(begin, *attempts, canary=number >= CANARY_FROM_STEP)
        yield self.gateway, attempts[0]
        yield self.embedder, attempts[1]
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
            span = self._request(
                gateway, at, (SEARCH_MS if search else FILES_MS) * MS, self.gateway,
                outcome=Outcome.SERVER_ERROR if failed else Outcome.OK, entry=True, proxy_wait=5 * MS,
                bytes_in=2_000, bytes_out=8_000, model=SEARCH if search else FILES, tenant=TENANTS[nth % 3],
                region="eu-1", **{"class": "interactive" if nth % 2 else "batch"},
            )  # fmt: skip
            if search and not failed:
                asked.append((at + 5 * MS, self._call(gateway, span, at + 5 * MS, attempt=1)))
        # One answer came too late for its caller, who had tried again.
        late = self._call(gateway, 1 << 40, begin, attempt=1, outcome=Outcome.TIMEOUT)
        again = self._call(gateway, 1 << 40, begin + 60 * MS, attempt=2)
        asked = [(begin, late), (begin + 60 * MS, again), *asked]
        for first in range(0, EMBEDDINGS + CANARIES, 4):
            version, took = ("v2", V2_MS) if canary and first >= EMBEDDINGS else ("v1", V1_MS)
            self._batch(embedder, asked[first : first + 4], version, took * MS)

    def _call(self, tables: Tables, span: int, at: int, *, attempt: int, outcome: Outcome = Outcome.OK) -> int:
        call = next(self._ids)
        tables.add(
            Section.CALLS,
            row(
                CALLS, span_id=span, call_id=call, start=at, sent=at + MS, headers=0 if outcome else at + 40 * MS,
                end=at + 45 * MS, server_ns=0 if outcome else 35 * MS, target=self.gateway.string("embedder:8101"),
                method=self.gateway.string("POST"), status=0 if outcome else 200, kind=Kind.INFERENCE,
                attempt=attempt, outcome=outcome,
            ),
        )  # fmt: skip
        return call

    def _batch(self, tables: Tables, members: list[tuple[int, int]], version: str, took: int) -> None:
        """Members come together in a batch; they have waited for each other, then the device works for all of them."""
        opened = max(at for at, _ in members)
        start, batch = opened + took - (EMBED_MS + 4) * MS, next(self._ids)
        shape = self.embedder.shape(service=EMBEDDER, model=MINILM, version=version, method="POST", route="/embed")
        for _, call in members:
            span = self._request(
                tables, opened, took, self.embedder, parent=call, model=MINILM, version=version, bytes_in=900,
                bytes_out=1_600, route="/embed", tenant=TENANTS[call % 3],
            )  # fmt: skip
            tables.add(
                Section.INTERVALS,
                row(INTERVALS, span_id=span, start=opened + MS, end=start, stage=Stage.QUEUE, kind=Kind.BATCH_WAIT),
            )
            self._execute(
                tables, self.embedder, span, start, lasts=EMBED_MS * MS, device=EMBEDS, shape=shape, batch=batch, size=4
            )
        tables.add(
            Section.BATCHES,
            row(
                BATCHES, batch_id=batch, opened=opened, start=start, end=start + EMBED_MS * MS, shape=shape, size=4,
                capacity=8, waiting=0, reason=batch % 3,
            ),
        )  # fmt: skip

    def _chats(self, begin: int, *, first: bool) -> Tables:
        """Streams of tokens; after a restart none in the time that the start took."""
        tables = Tables()
        lasts = (FIRST_MS + (CHAT_TOKENS - 1) * TOKEN_MS) * MS
        for nth in range(CHATS):
            at = begin + (6 * SECOND if first else 0) + nth * 2 * SECOND
            span = self._request(
                tables, at, lasts, self.chat, entry=True, model=LLAMA, version="q4", region="us-1", route="/chat",
                tenant=TENANTS[nth % 3], flags=Flag.STREAM, first=FIRST_MS * MS, tokens_in=PROMPT,
                tokens_out=CHAT_TOKENS, chunks=CHAT_TOKENS, bytes_in=4_000, bytes_out=9_000,
            )  # fmt: skip
            shape = self.chat.shape(service=CHAT, model=LLAMA, version="q4", region="us-1")
            prefill = (FIRST_MS - 20) * MS
            self._execute(
                tables,
                self.chat,
                span,
                at + 10 * MS,
                lasts=prefill,
                device=DECODES,
                shape=shape,
                kind=Kind.PREFILL,
                tokens=PROMPT,
            )
            begins = at + FIRST_MS * MS
            self._execute(
                tables,
                self.chat,
                span,
                begins,
                lasts=lasts - FIRST_MS * MS - MS,
                device=DECODES,
                shape=shape,
                kind=Kind.DECODE,
            )
            tables.add(
                Section.GAPS, row(GAPS, span_id=span, bucket=bisect_left(_GAPS, TOKEN_MS * MS), count=CHAT_TOKENS - 1)
            )
        self._request(
            tables, begin + 12 * SECOND, 400 * MS, self.chat, entry=True, model=LLAMA, version="q4", region="us-1",
            flags=Flag.WARMUP,
        )  # fmt: skip
        return tables

    def _listens(self, begin: int) -> Tables:
        tables = Tables()
        for nth in range(LISTENS):
            at = begin + nth * SECOND
            span = self._request(
                tables, at, VAD_MS * MS, self.listener, model=VAD, version="v1", flags=Flag.STREAM, first=10 * MS,
                chunks=4, entry=True, route="/listen", tenant=TENANTS[nth % 3],
            )  # fmt: skip
            shape = self.listener.shape(service=LISTENER, model=VAD, version="v1")
            self._execute(tables, self.listener, span, at + 5 * MS, lasts=20 * MS, device=HOST, shape=shape)
        return tables

    def _files(self, begin: int) -> Tables:
        tables = Tables()
        for nth in range(FILES_SEEN):
            at = begin + nth * SECOND
            span = self._request(
                tables, at, MAGIKA_MS * MS, self.classifier, model=MAGIKA, version="v1", route="/classify",
                tenant=TENANTS[nth % 3], entry=True, outcome=Outcome.OK if nth else Outcome.TIMEOUT,
            )  # fmt: skip
            shape = self.classifier.shape(service=CLASSIFIER, model=MAGIKA, version="v1")
            self._execute(tables, self.classifier, span, at + MS, lasts=3 * MS, device=HOST, shape=shape)
        return tables

    def _request(
        self,
        tables: Tables,
        at: int,
        lasts: int,
        worker: Worker,
        *,
        parent: int = 0,
        outcome: Outcome = Outcome.OK,
        entry: bool = False,
        first: int = 0,
        flags: int = 0,
        proxy_wait: int = 0,
        bytes_in: int = 500,
        bytes_out: int = 700,
        chunks: int = 1,
        tokens_in: int = 0,
        tokens_out: int = 0,
        **names: str,
    ) -> int:
        """One request; its stamps are a hundredth of its time apart where nothing else is said."""
        span, hundredth = next(self._ids), lasts // 100
        end = at + lasts
        answered = at + first if first else end - 3 * hundredth
        tables.add(
            Section.REQUESTS,
            row(
                REQUESTS, trace_hi=0xB0A2D, trace_lo=span, span_id=span, parent_id=parent, arrival=at,
                start=at + hundredth // 2, entry=at + hundredth, body_start=at + hundredth,
                body_end=at + 2 * hundredth, validate=at + 2 * hundredth, endpoint=at + 4 * hundredth,
                encode=min(end - 5 * hundredth, answered), respond=answered, first_chunk=answered,
                first_token=answered if tokens_out else 0, last=end, done=end, last_token=end if tokens_out else 0,
                proxy_wait=proxy_wait, bytes_in=bytes_in, bytes_out=bytes_out, chunks=chunks, tokens_in=tokens_in,
                tokens_out=tokens_out, status=503 if outcome else 200, outcome=outcome,
                flags=flags | (Flag.ENTRY if entry else 0),
                shape=worker.shape(**{"service": worker.service, "method": "POST"} | names),
            ),
        )  # fmt: skip
        return span

    def _execute(
        self,
        tables: Tables,
        worker: Worker,
        span: int,
        at: int,
        *,
        lasts: int,
        device: str,
        shape: int,
        batch: int = 0,
        size: int = 1,
        kind: Kind = Kind.NONE,
        tokens: int = 0,
    ) -> None:
        """A run of the model; members of a batch have one together."""
        tables.add(
            Section.EXECUTES,
            row(
                EXECUTES, span_id=span, execute_id=batch or next(self._ids), batch_id=batch, start=at, end=at + lasts,
                device=worker.string(device), batch_size=size, final=1, kind=kind, tokens=tokens, shape=shape,
                queued=at - MS,
            ),
        )  # fmt: skip


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
