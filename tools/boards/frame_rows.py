"""Rows that one worker tells in a frame: requests, calls, runs of models and batches, as boards have to show them."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from boards.workers import MS, Worker, row
from inferometer.catalog.requests import INTER_TOKEN
from inferometer.catalog.sketch import TOP, sketch
from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.record.model import Flag
from inferometer.wire.layout import BATCHES, CALLS, EXECUTES, GAPS, INTERVALS, REQUESTS, Section

_GAPS: Final = sketch(TOP[INTER_TOKEN.unit], INTER_TOKEN.scale)


@dataclass
class Tables:
    """Rows of one worker's next frame.

    Attributes:
        worker: who tells them.
        ids: of requests, calls, runs and batches; all workers draw from the same.
    """

    worker: Worker
    ids: Iterator[int]
    _rows: dict[Section, list[bytes]] = field(default_factory=dict)

    def packed(self) -> dict[Section, bytes]:
        """As a frame holds them."""
        return {section: b"".join(rows) for section, rows in self._rows.items()}

    def request(
        self,
        at: int,
        lasts: int,
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
        span, hundredth = next(self.ids), lasts // 100
        end = at + lasts
        answered = at + first if first else end - 3 * hundredth
        self._add(
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
                shape=self.worker.shape(**{"service": self.worker.service, "method": "POST"} | names),
            ),
        )  # fmt: skip
        return span

    def call(self, span: int, at: int, target: str, *, attempt: int, outcome: Outcome = Outcome.OK) -> int:
        """An attempt of the request *span* to ask somebody; its number."""
        call = next(self.ids)
        self._add(
            Section.CALLS,
            row(
                CALLS, span_id=span, call_id=call, start=at, sent=at + MS, headers=0 if outcome else at + 40 * MS,
                end=at + 45 * MS, server_ns=0 if outcome else 35 * MS, target=self.worker.string(target),
                method=self.worker.string("POST"), status=0 if outcome else 200, kind=Kind.INFERENCE,
                attempt=attempt, outcome=outcome,
            ),
        )  # fmt: skip
        return call

    def execute(
        self,
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
        self._add(
            Section.EXECUTES,
            row(
                EXECUTES, span_id=span, execute_id=batch or next(self.ids), batch_id=batch, start=at, end=at + lasts,
                device=self.worker.string(device), batch_size=size, final=1, kind=kind, tokens=tokens, shape=shape,
                queued=at - MS,
            ),
        )  # fmt: skip

    def waited(self, span: int, start: int, end: int) -> None:
        """A request's wait for the others of its batch."""
        self._add(
            Section.INTERVALS,
            row(INTERVALS, span_id=span, start=start, end=end, stage=Stage.QUEUE, kind=Kind.BATCH_WAIT),
        )

    def batch(self, number: int, *, opened: int, start: int, lasts: int, shape: int, size: int) -> None:
        """A batch of half of the size that there is room for."""
        self._add(
            Section.BATCHES,
            row(
                BATCHES, batch_id=number, opened=opened, start=start, end=start + lasts, shape=shape, size=size,
                capacity=2 * size, waiting=0, reason=number % 3,
            ),
        )  # fmt: skip

    def gaps(self, span: int, token_ns: int, count: int) -> None:
        """So many tokens of a stream, each so long after the one before."""
        self._add(Section.GAPS, row(GAPS, span_id=span, bucket=bisect_left(_GAPS, token_ns), count=count))

    def _add(self, section: Section, encoded: bytes) -> None:
        self._rows.setdefault(section, []).append(encoded)
