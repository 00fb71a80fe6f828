"""A call of gRPC's threaded server while it is open: the server takes it for its method's handler."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from inferometer.hooks.grpc_streams import Requests, Responses
from inferometer.recorder.request import now
from inferometer.recorder.rpc_request import Headers, RpcRequest
from inferometer.recorder.rpc_status import OK, UNIMPLEMENTED, UNKNOWN, code_of, given_up
from inferometer.recorder.worker import Worker


class ThreadedCall(RpcRequest):
    """An open call of the threaded server."""

    __slots__ = ("cancelled", "rpc")

    # It is opened by the thread that takes calls in, and handled by one of a pool.
    in_context = False

    def __init__(self, worker: Worker, hook: str, metadata: Headers, state: Any, cancelled: object) -> None:
        """Open a call.

        Args:
            worker: of this process.
            hook: that errors of ours are counted for.
            metadata: as `headers` gives it.
            state: the server's, of this call.
            cancelled: what ``client`` of the state is when the client has given up.
        """
        self.rpc = state
        self.cancelled = cancelled
        RpcRequest.__init__(self, worker, hook, metadata)

    @property
    def unary_unary(self) -> Callable[..., Any]:
        """What the server calls."""
        return self._called(self._one) if self.method.wishes else self._one

    @property
    def stream_unary(self) -> Callable[..., Any]:
        """What the server calls."""
        return self._called(self._one)

    @property
    def unary_stream(self) -> Callable[..., Any]:
        """What the server calls."""
        return self._called(self._many)

    @property
    def stream_stream(self) -> Callable[..., Any]:
        """What the server calls."""
        return self._called(self._many)

    def _called(self, behaviour: Callable[..., Any]) -> Callable[..., Any]:
        wishes = self.method.wishes
        if wishes:
            behaviour = partial(behaviour)
            vars(behaviour).update(wishes)
        return behaviour

    def _one(self, argument: Any, context: Any, *more: Any) -> Any:
        method = self.method
        if method.streams_in:
            self.pulling = True
            argument = Requests(self, argument)
        try:
            return method.behaviour(argument, context, *more)
        except BaseException as error:
            self.broke(error, UNKNOWN)
            raise

    def _many(self, argument: Any, context: Any, *more: Any) -> Any:
        responses = self._one(argument, context, *more)
        return responses if more else Responses(self, responses)

    def answer(self, timing: tuple[str, str]) -> None:
        """Add our time to the trailing metadata."""
        state = self.rpc
        state.trailing_metadata = (*(state.trailing_metadata or ()), timing)

    def finished(self, rpc_event: Any) -> None:
        """The pool's thread has done with it."""
        self.ended_with(self._code(rpc_event), now())

    def _code(self, rpc_event: Any) -> int:
        state = self.rpc
        if not state.statused:
            if state.client is not self.cancelled:
                return UNKNOWN
            left = rpc_event.call_details.deadline - time.time()
            return given_up(left, now() - self.entry)
        if state.code is not None:
            return code_of(state.code)
        if self.failure == OK and not self.body_end and not self.method.streams_in:
            return UNIMPLEMENTED  # what the server says to a client that sends no message where one is due
        return self.failure

    def release(self) -> bool:
        """Let go of the server's objects; whether its client left is what the status says."""
        self.rpc = None
        return False
