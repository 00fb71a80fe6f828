"""What is recorded of a batch, whoever forms it: ours, or that of a server whose queue is hooked."""

import time
from collections.abc import Sequence
from typing import Final

from inferometer.catalog.labels import CLOSE_REASON
from inferometer.catalog.stages import Kind, Stage
from inferometer.recorder.executes import BatchRun, running_batch
from inferometer.recorder.request import OpenRequest
from inferometer.recorder.worker import Worker
from inferometer.wire.layout import BATCHES

FULL, TIMEOUT, _ = CLOSE_REASON.values
HOOK: Final = "batch"

Waited = tuple[int, OpenRequest | None]
"""(ns at which a member came, the request that it belongs to)."""


class RunningBatch:
    """A batch from its close to its end. Its errors are caught here: the batch runs without them.

    What executes between the two belongs to the members, in this context and in those copied from it: make it in the
    context of the task that runs the batch. Where that runs on for other work, call `leave` after `end`.
    """

    def __init__(
        self,
        worker: Worker,
        members: Sequence[Waited],
        *,
        capacity: int,
        waiting: int,
        reason: str,
        model: str = "",
        hook: str = HOOK,
    ) -> None:
        """The batch is closed and begins to run.

        Args:
            worker: of this process.
            members: in the order in which they came, at least one.
            capacity: members of a full batch.
            waiting: members that are left in the queue.
            reason: one of ``catalog.labels.CLOSE_REASON``.
            model: its name; without it that of the first member which has one.
            hook: what errors of ours are counted for.
        """
        self.model = model
        self._worker = worker
        self._members = members
        self._facts = (capacity, waiting, CLOSE_REASON.values.index(reason))
        self._hook = hook
        self._start = time.monotonic_ns()
        self._run: BatchRun | None = None
        try:
            self._begin()
        except Exception as error:  # noqa: BLE001 - the edge
            worker.hooks.failed(hook, error)

    def _begin(self) -> None:
        requests = []
        for came, request in self._members:
            if request is not None:
                request.add_interval(came, self._start, Stage.QUEUE, Kind.BATCH_WAIT)
                requests.append(request)
        owners = tuple(dict.fromkeys(requests))
        self._run = BatchRun(self._worker.bits(64), len(owners), owners)
        running_batch.set(self._run)
        self._worker.executes.begin_batch(self._run, self._worker.device, len(self._members))

    def end(self) -> None:
        """The batch has run."""
        run, self._run = self._run, None
        if run is None:
            return
        try:
            self._worker.executes.end_batch(run)
            self._row(run)
        except Exception as error:  # noqa: BLE001 - the edge
            self._worker.hooks.failed(self._hook, error)

    def leave(self) -> None:
        """What executes from now on in this context is no part of a batch."""
        running_batch.set(None)

    def _row(self, run: BatchRun) -> None:
        version = ""
        for request in run.owners:
            version = request.version
            self.model = self.model or request.model or request.hooked
            if self.model:
                break
        shape = self._worker.shapes.number((self.model, version, "", "", "", ""))
        times = (self._members[0][0], self._start, time.monotonic_ns())
        row = BATCHES.row.pack(run.batch_id, *times, shape, len(self._members), *self._facts, 0, 0, 0)
        self._worker.buffers.batch(row)
