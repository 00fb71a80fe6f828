"""A call of a model that a server makes: it executes, unless a hook sees what runs inside, or it goes elsewhere."""

from collections.abc import Sequence

from inferometer.recorder.executes import BatchRun, running_batch
from inferometer.recorder.request import OpenRequest
from inferometer.recorder.worker import Worker


class Predict:
    """One call, from its making to `end`, both in one context."""

    __slots__ = ("_before", "_calls", "_request", "_run", "_worker")

    def __init__(self, worker: Worker, request: OpenRequest, rows: int = 0) -> None:
        self._worker = worker
        self._request = request
        self._calls = _number(request.calls)
        self._run = BatchRun(0, 1, (request,))
        worker.executes.begin_whole(self._run, worker.device, rows)
        self._before = running_batch.get()
        running_batch.set(self._run)

    def end(self) -> None:
        """The call returned or raised."""
        running_batch.set(self._before)
        whole = self._run.whole
        self._worker.executes.end_batch(self._run)
        if whole is not None and not whole.announced and _number(self._request.calls) > self._calls:
            # The model is somewhere else, or asks somebody: that time is the call's, which has its own mark.
            whole.end = whole.start


def _number(calls: Sequence[object] | None) -> int:
    return 0 if calls is None else len(calls)
