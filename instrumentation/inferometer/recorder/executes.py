"""Runs of a model: which requests have part in one, and what the ledger is told while it lasts."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from inferometer.catalog.stages import Kind
from inferometer.recorder.buffers import Buffers
from inferometer.recorder.shapes import Shapes
from inferometer.wire.layout import EXECUTES

if TYPE_CHECKING:
    from inferometer.recorder.request import OpenRequest

now = time.monotonic_ns
MAX_LOOSE: Final = 4096
AT_ONCE_NS: Final = 50_000
"""A device that takes up a launch within this time was not busy: a launch takes some 10 us, and so exact are clocks."""
_U32: Final = 0xFFFFFFFF


class ExecuteMark:
    """One run of a model while it lasts. All requests that have part in it hold the same mark."""

    __slots__ = (
        "announced", "ask", "batch_id", "batch_size", "device", "end", "execute_id", "kind", "model", "owners",
        "queued", "rows", "start", "tokens",
    )  # fmt: skip

    def __init__(self, execute_id: int, device: int, *, model: str = "", rows: int = 0, kind: int = Kind.NONE) -> None:
        self.execute_id = execute_id
        self.device = device
        self.model = model
        self.rows = min(rows, _U32)
        self.kind = kind
        self.tokens = 0
        """Of a prefill: what each request has computed, without what a cache had; 0 where unknown."""
        self.start = 0
        """0 until it begins: a mark is listed first and stamped then, so that no frame can miss it. What was launched
        on a device begins when the device takes it up, and is stamped when somebody asks the device after that."""
        self.ask: Callable[[], None] | None = None
        """Asks the device how far it is; None for what ends when its call returns."""
        self.end = 0
        self.queued = 0
        self.batch_id = 0
        self.batch_size = 1
        self.announced = False
        """Whether a frame told of it; its start is fixed then."""
        self.owners: tuple[OpenRequest, ...] = ()

    def row(self, span_id: int, shape: int, *, final: bool, start: int = 0, end: int = 0) -> bytes:
        """Its row as a member has it; *start* and *end* in ns stand in where its own are not meant."""
        return EXECUTES.row.pack(
            span_id, self.execute_id, self.batch_id, self.queued, start or self.start, end or self.end, shape,
            self.device, self.batch_size, self.rows, self.kind, final, 0, self.tokens,
        )  # fmt: skip


class BatchRun:
    """A batch that runs: what executes inside it belongs to its members."""

    __slots__ = ("batch_id", "owners", "size", "whole")

    def __init__(self, batch_id: int, size: int, owners: tuple["OpenRequest", ...]) -> None:
        self.batch_id = batch_id
        self.size = size
        self.owners = owners
        self.whole: ExecuteMark | None = None
        """The run as a whole; the first execute inside takes its place, so that device time is not counted twice."""


running_batch: ContextVar[BatchRun | None] = ContextVar("inferometer_batch", default=None)


class Executes:
    """Begins and ends executes of one process."""

    def __init__(
        self, shapes: Shapes, buffers: Buffers, bits: Callable[[int], int], current: Callable[[], "OpenRequest | None"]
    ) -> None:
        self._shapes = shapes
        self._buffers = buffers
        self._bits = bits
        self._current = current
        self._lock = threading.Lock()
        self._loose: dict[int, ExecuteMark] = {}
        self.devices: list[Callable[[], None]] = []
        """Each asks its devices how far they are, and tells `started` and `end`; called before each frame."""

    def begin(self, device: str, *, model: str = "", rows: int = 0, kind: Kind = Kind.NONE) -> ExecuteMark:
        """A run of *model* begins on *device*, for the current request, the running batch, or nobody."""
        mark = self._listed(device, model, rows, kind)
        mark.start = now()
        return mark

    def launch(self, device: str, *, model: str = "", rows: int = 0, kind: Kind = Kind.NONE) -> ExecuteMark:
        """A run is handed to a *device* that works by itself; `started` and `end` follow when the device was asked."""
        launched = now()
        mark = self._listed(device, model, rows, kind)
        mark.queued = launched
        # A batch as a whole has begun already; when a frame has told so, that start stays.
        if not mark.announced:
            mark.start = 0
        return mark

    def launched(self, mark: ExecuteMark) -> None:
        """All of it was handed to the device. Nothing is told; who shows launches (`recorder.nvtx`) waits for this."""

    def started(self, mark: ExecuteMark, start: int) -> None:
        """The device took up what was launched, at *start* in ns of CLOCK_MONOTONIC."""
        if all(request.executes is None for request in mark.owners):
            # They have told what they had, and this had not begun, or nobody could ask since a graph was captured.
            mark.owners = ()
        if mark.announced:
            mark.queued = 0
            return
        if start - mark.queued < AT_ONCE_NS:
            mark.queued = 0
        mark.start = start

    def ask_devices(self) -> None:
        """Learn what began and ended on devices until now."""
        for ask in self.devices:
            ask()

    def begin_batch(self, batch: BatchRun, device: str, rows: int) -> None:
        """A batch of *rows* items begins to run; one execute, unless a hook sees what runs inside."""
        self.begin_whole(batch, device, rows, Kind.BATCH)

    def begin_whole(self, run: BatchRun, device: str, rows: int = 0, kind: Kind = Kind.NONE) -> None:
        """A call of a model begins; one execute, unless a hook sees what runs inside."""
        whole = ExecuteMark(self._bits(64), self._shapes.string(device), rows=rows, kind=kind)
        self._join(whole, run)
        run.whole = whole
        whole.start = now()

    def end(self, mark: ExecuteMark, at: int = 0) -> None:
        """It has ended, now or at *at* in ns. What ran on after the end of a request is told as work of nobody.

        So is all of a run of which a request did not know when it ended that the device had begun it.
        """
        mark.end = end = at or now()
        owners, mark.owners = mark.owners, ()
        if not owners:
            with self._lock:
                self._loose.pop(mark.execute_id, None)
            self._orphan(mark, mark.start)
            return
        for request in owners:
            if request.ended and request.ended < end:
                self._orphan(mark, max(request.ended, mark.start))

    def end_batch(self, batch: BatchRun) -> None:
        """A batch has run; nothing inside it took the place of the whole, or it has ended by itself."""
        if batch.whole is not None:
            self.end(batch.whole)
            batch.whole = None

    def ran_inside(self, batch: BatchRun, marks: Sequence[ExecuteMark]) -> None:
        """What executed inside a batch, told when it had ended, takes the place of the batch as a whole."""
        with self._lock:
            whole = batch.whole
            if whole is None or whole.announced or not marks:
                return
            batch.whole = None
        first, *others = marks
        whole.device, whole.model, whole.rows, whole.queued = first.device, first.model, first.rows, first.queued
        whole.kind, whole.start = first.kind or whole.kind, first.start
        self.end(whole, first.end)
        for mark in others:
            self._join(mark, batch)
            self.end(mark, mark.end)

    def of_nobody(self, mark: ExecuteMark) -> None:
        """A run that was told when its request had ended: it is work of nobody."""
        self._orphan(mark, mark.start)

    def running(self) -> Iterable[bytes]:
        """Rows of what runs for nobody, to be announced."""
        with self._lock:
            marks = list(self._loose.values())
        for mark in marks:
            if mark.start:
                mark.announced = True
                yield mark.row(0, self._shape(mark), final=False)

    def after_fork(self) -> None:
        """Forget what the parent process runs, and its lock."""
        self._lock = threading.Lock()
        self._loose.clear()

    def _listed(self, device: str, model: str, rows: int, kind: Kind) -> ExecuteMark:
        number = self._shapes.string(device)
        batch = running_batch.get()
        if batch is not None:
            return self._in_batch(batch, number, model, rows, kind)
        mark = ExecuteMark(self._bits(64), number, model=model, rows=rows, kind=kind)
        request = self._current()
        self._list(mark, () if request is None else (request,))
        return mark

    def _in_batch(self, batch: BatchRun, device: int, model: str, rows: int, kind: Kind) -> ExecuteMark:
        with self._lock:
            whole = batch.whole
            if whole is not None and whole.announced:
                # The ledger knows that the batch executes since its start; what runs inside is part of that.
                _name(batch.owners, model)
                return ExecuteMark(0, device, rows=rows)
            batch.whole = None
        if whole is None:
            mark = ExecuteMark(self._bits(64), device, rows=rows, kind=kind)
            self._join(mark, batch)
        else:
            mark = whole
            mark.device, mark.rows, mark.kind = device, min(rows, _U32), kind
        mark.model = model
        _name(mark.owners, model)
        return mark

    def _join(self, mark: ExecuteMark, batch: BatchRun) -> None:
        mark.batch_id, mark.batch_size = batch.batch_id, max(batch.size, 1)
        self._list(mark, batch.owners)

    def _list(self, mark: ExecuteMark, requests: tuple["OpenRequest", ...]) -> None:
        mark.owners = tuple(request for request in requests if request.add_execute(mark))
        if mark.owners:
            _name(mark.owners, mark.model)
            return
        with self._lock:
            if len(self._loose) < MAX_LOOSE:
                self._loose[mark.execute_id] = mark

    def _orphan(self, mark: ExecuteMark, start: int) -> None:
        if mark.execute_id:
            self._buffers.execute(mark.row(0, self._shape(mark), final=True, start=start))

    def _shape(self, mark: ExecuteMark) -> int:
        return self._shapes.number((mark.model, "", "", "", "", ""))


def _name(requests: tuple["OpenRequest", ...], model: str) -> None:
    for request in requests:
        if model and not request.hooked:
            request.hooked = model
