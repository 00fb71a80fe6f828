"""What an inference worker of LitServe records: one `Part` per request, from its taking to its answer."""

import threading
import time
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, Final

from inferometer.catalog.stages import Kind, Stage
from inferometer.recorder.batch_run import FULL, TIMEOUT, RunningBatch
from inferometer.recorder.distant import Part, Told
from inferometer.recorder.predict import Predict
from inferometer.recorder.request import current_request
from inferometer.recorder.worker import Worker

now = time.monotonic_ns
_NS: Final = 10**9


class Taken:
    """A request that the worker has."""

    __slots__ = ("at", "came", "decoded", "part", "predict")

    def __init__(self, worker: Worker, came: int, model: str) -> None:
        self.part = Part(worker)
        self.part.hooked = model
        self.came = came
        self.at = now()
        """ns of the last event."""
        self.decoded = False
        self.predict: Predict | None = None


serving: Final[ContextVar[Taken | None]] = ContextVar("inferometer_litserve", default=None)
"""The request of this task, where a loop serves several at once."""


class Parts:
    """The requests that one worker has, by the server's id; the events of its loop.

    A loop without tasks serves all that it has taken together, one request or one batch; in a loop with tasks each
    task says whom it serves.
    """

    def __init__(self, worker: Worker, api: Any) -> None:
        self._worker = worker
        self._model = type(api).__name__
        self._capacity = int(api.max_batch_size)
        self._stream = bool(api.stream)
        self._taken: dict[str, Taken] = {}
        self._batch: RunningBatch | None = None
        self._lock = threading.Lock()

    @property
    def model(self) -> str:
        """The name under which requests are recorded."""
        return self._model

    def take(self, item: Any) -> None:
        """*item* comes from the queue: (server, id, seconds of CLOCK_MONOTONIC at which it went in, payload)."""
        _, uid, came, _ = item
        if uid is None:
            return
        taken = Taken(self._worker, int(came * _NS), self._model)
        with self._lock:
            self._taken[uid] = taken
        if self._capacity <= 1:
            taken.part.add_interval(taken.came, taken.at, Stage.QUEUE, Kind.ENGINE)
            current_request.set(taken.part)

    def serve(self, uid: str) -> None:
        """This task serves one of the requests."""
        taken = self._taken.get(uid)
        serving.set(taken)
        current_request.set(None if taken is None else taken.part)

    def _served(self) -> Sequence[Taken]:
        one = serving.get()
        if one is not None:
            return (one,)
        with self._lock:
            return list(self._taken.values())

    def decoding(self) -> None:
        """``decode_request`` is called."""
        self._stamp(None)

    def decoded(self) -> None:
        """``decode_request`` returned."""
        self._stamp(Stage.DESERIALIZE)
        for taken in self._served():
            taken.decoded = True

    def predicting(self) -> None:
        """``predict`` is called."""
        served = self._served()
        if not served:
            return
        if not all(taken.decoded for taken in served):
            self._stamp(Stage.DESERIALIZE)  # a loop that does not tell of decoding does nothing else before
        if self._capacity > 1:
            members = [(taken.came, taken.part) for taken in served]
            reason = FULL if len(members) >= self._capacity else TIMEOUT
            self._batch = RunningBatch(
                self._worker, members, capacity=self._capacity, waiting=0, reason=reason, model=self._model
            )
        else:
            for taken in served:
                taken.predict = Predict(self._worker, taken.part)

    def predicted(self) -> None:
        """``predict`` returned; a generator only begins then."""
        if not self._stream:
            self._end_run(self._served())

    def encoding(self) -> None:
        """``encode_response`` is called."""
        if not self._stream:
            self._stamp(None)

    def encoded(self) -> None:
        """``encode_response`` returned."""
        if not self._stream:
            self._stamp(Stage.SERIALIZE)

    def answered(self, uid: str) -> Told | None:
        """The last message of a request goes out; what is to go with it."""
        with self._lock:
            taken = self._taken.pop(uid, None)
        if taken is None:
            return None
        self._end_run((taken,))
        if serving.get() is taken or self._capacity <= 1:
            current_request.set(None)
        return taken.part.told()

    def _stamp(self, stage: Stage | None) -> None:
        at = now()
        for taken in self._served():
            if stage is not None:
                taken.part.add_interval(taken.at, at, stage)
            taken.at = at

    def _end_run(self, served: Sequence[Taken]) -> None:
        batch, self._batch = self._batch, None
        if batch is not None:
            batch.end()
            batch.leave()
        for taken in served:
            predict, taken.predict = taken.predict, None
            if predict is not None:
                predict.end()
