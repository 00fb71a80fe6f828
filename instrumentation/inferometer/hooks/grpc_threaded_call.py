"""A call of gRPC's threaded server while it is open: the server takes it for its method's handler."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from inferometer.hooks.grpc_streams import Requests, Responses
from inferometer.recorder.request import now
from inferometer.recorder.rpc_method import Method
from inferometer.recorder.rpc_request import Headers, Messages, RpcRequest
from inferometer.recorder.rpc_status import OK, UNIMPLEMENTED, UNKNOWN, code_of, given_up
from inferometer.recorder.worker import Worker


class ThreadedCall(RpcRequest):
    """An open call of the threaded server."""

    __slots__ = ("request_streaming", "response_streaming", "rpc")

    # It is opened by the thread that takes calls in, and handled by one of a pool.
    in_context = False

    def __init__(self, worker: Worker, hook: str, metadata: Headers, state: Any) -> None:
        """Open a call.

        Args:
            worker: of this process.
            hook: that errors of ours are counted for.
            metadata: as `headers` gives it.
            state: the server's, of this call.
        """
        self.rpc = state
        RpcRequest.__init__(self, worker, hook, metadata)

    def serve(self, method: Method) -> "ThreadedCall | Wishing":
        """What stands for the method's handler."""
        self.method = method
        self.request_streaming = method.streams_in
        self.response_streaming = method.streams_out
        if method.streams_in or method.streams_out:
            self.messages = Messages()
        self.endpoint = now()
        return Wishing(self) if method.wishes else self

    def unary_unary(self, argument: Any, context: Any) -> Any:
        """Stand for the method's behaviour."""
        try:
            return self.method.behaviour(argument, context)
        except BaseException as error:
            self.broke(error, UNKNOWN)
            raise

    def stream_unary(self, arguments: Any, context: Any) -> Any:
        """Stand for the method's behaviour."""
        return self.unary_unary(self._pulled(arguments), context)

    def unary_stream(self, argument: Any, context: Any, *send: Any) -> Any:
        """Stand for the method's behaviour; one that wants it so is given a function to *send* with."""
        try:
            responses = self.method.behaviour(argument, context, *send)
        except BaseException as error:
            self.broke(error, UNKNOWN)
            raise
        return responses if send else Responses(self, responses)

    def stream_stream(self, arguments: Any, context: Any, *send: Any) -> Any:
        """Stand for the method's behaviour; one that wants it so is given a function to *send* with."""
        return self.unary_stream(self._pulled(arguments), context, *send)

    def _pulled(self, arguments: Any) -> Requests:
        if self.messages is not None:
            self.messages.pulling = True
        return Requests(self, arguments)

    def answer(self, timing: tuple[str, str]) -> None:
        """Add our time to the trailing metadata."""
        state = self.rpc
        state.trailing_metadata = (*(state.trailing_metadata or ()), timing)

    def code(self, rpc_event: Any, cancelled: object) -> int:
        """The code that it has ended with.

        Args:
            rpc_event: with which the server was told of the call.
            cancelled: what ``client`` of the state is when the client has given up.
        """
        state = self.rpc
        if not state.statused:
            if state.client is not cancelled:
                return UNKNOWN
            left = rpc_event.call_details.deadline - time.time()
            return given_up(left, now() - self.entry)
        if state.code is not None:
            return code_of(state.code)
        if self.failure == OK and not self.body_end and not self.request_streaming:
            return UNIMPLEMENTED  # what the server says to a client that sends no message where one is due
        return self.failure

    def release(self) -> bool:
        """Let go of the server's objects; whether its client left is what the status says."""
        self.rpc = None
        return False


class Wishing:
    """A call's behaviours with what the method's own says of the way and the place in which it wants to be called."""

    __slots__ = ("_call",)

    def __init__(self, call: ThreadedCall) -> None:
        self._call = call

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._call, name)
        return self._called(found) if name.startswith(("unary_", "stream_")) else found

    def _called(self, behaviour: Callable[..., Any]) -> Callable[..., Any]:
        wishing = partial(behaviour)
        vars(wishing).update(self._call.method.wishes)
        return wishing
