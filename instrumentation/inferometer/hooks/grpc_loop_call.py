"""A call of gRPC's asyncio server while it is open: the server takes it for its method's handler.

The calls of ``context.read`` and ``context.write`` are not seen, only the messages that go through them: their waits
are part of the handler.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

from inferometer.hooks.grpc_streams import LoopRequests, Requests, Responses
from inferometer.recorder.request import current_request, now
from inferometer.recorder.rpc_method import Method
from inferometer.recorder.rpc_request import Headers, Messages, RpcRequest
from inferometer.recorder.rpc_status import (
    CANCELLED,
    OK,
    RESOURCE_EXHAUSTED,
    UNIMPLEMENTED,
    UNKNOWN,
    code_of,
    given_up,
)
from inferometer.recorder.worker import Worker

_BUSY_NS: Final = 10**6
"""A turn of the event loop that took this long was one of work, and so may be the next one."""


class LoopCall(RpcRequest):
    """An open call of the asyncio server; its methods run in the call's task, or for a plain function in a thread."""

    __slots__ = ("accepted", "code", "context", "response_streaming", "task", "trailing")

    def __init__(self, worker: Worker, hook: str, metadata: Headers, task: "asyncio.Task[Any] | None") -> None:
        """Open a call.

        Args:
            worker: of this process.
            hook: that errors of ours are counted for.
            metadata: as `headers` gives it.
            task: in which the server handles the call.
        """
        RpcRequest.__init__(self, worker, hook, metadata)
        self.start = self.body_start = self.entry
        self.accepted = False
        self.code: Any = None
        """What a plain function has said: its context does not tell."""
        self.trailing: Any = ()
        self.context: Any = None
        self.task = task
        if task is not None:
            task.add_done_callback(self.finished)

    def turned(self) -> None:
        """The event loop has made a turn while the request's message was waited for: so long it had other work."""
        if self.body_end or self.ended or self.method.streams_in:
            return
        before, self.entry = self.entry, now()
        if self.entry - before >= _BUSY_NS:
            asyncio.get_running_loop().call_soon(self.turned)

    def abandon(self) -> None:
        """Nothing is recorded of it."""
        if self.task is not None:
            self.task.remove_done_callback(self.finished)
        self.worker.open.pop(self.span_id, None)

    def serve(self, method: Method) -> None:
        """Stand for the method's handler."""
        self.method = method
        self.response_streaming = method.streams_out
        if method.streams_in or method.streams_out:
            self.messages = Messages()
        if method.streams_in:
            self.body_start = 0
            self.endpoint = now()

    @property
    def request_streaming(self) -> bool:
        """As the method has it; the server asks for it when it has not refused the call."""
        self.accepted = True
        return self.method.streams_in

    @property
    def unary_unary(self) -> Callable[..., Any]:
        """What the server calls: of the same kind as the method, by which the server tells how to call it."""
        method = self.method
        return self._one if method.is_coroutine or method.is_generator else self._one_in_thread

    stream_unary = unary_unary

    @property
    def unary_stream(self) -> Callable[..., Any]:
        """What the server calls: of the same kind as the method, by which the server tells how to call it."""
        method = self.method
        if method.is_coroutine:
            return self._one
        return self._many if method.is_generator else self._many_in_thread

    stream_stream = unary_stream

    async def _one(self, argument: Any, context: Any) -> Any:
        self.context = context
        method = self.method
        try:
            if method.streams_in:
                argument = LoopRequests(self, self._pulled(argument))
            response = await method.behaviour(argument, context)
        except BaseException as error:
            self.broke(error, UNKNOWN)
            raise
        self.last = now()
        # Where the serializer runs it tells; it does not for an error, nor after a stream.
        if method.streams_out or (self.answers and context.code() is not None):
            self.told()
        return response

    async def _many(self, argument: Any, context: Any) -> AsyncIterator[Any]:
        if self.method.streams_in:
            argument = LoopRequests(self, self._pulled(argument))
        responses = self._begin(context)(argument, context)
        try:
            async for response in responses:
                yield response
                self.handed()
        except GeneratorExit:
            await responses.aclose()
            raise
        except BaseException as error:
            self.broke(error, UNKNOWN)
            raise
        self.told()

    def _pulled(self, arguments: Any) -> Any:
        if self.messages is not None:
            self.messages.pulling = True
        return arguments

    def _begin(self, context: Any) -> Callable[..., Any]:
        self.context = context
        return self.method.behaviour

    def _one_in_thread(self, argument: Any, context: Any) -> Any:
        self.thread = now()
        behaviour, told = self._begin(context), ThreadContext(self, context)
        if self.method.streams_in:
            argument = Requests(self, self._pulled(argument))
        token = current_request.set(self)
        try:
            response = behaviour(argument, told)
        except BaseException as error:
            self.broke(error, UNKNOWN)
            raise
        finally:
            current_request.reset(token)
        if self.code is not None:
            self.told()
        return response

    def _many_in_thread(self, argument: Any, context: Any) -> Iterator[Any]:
        return Responses(self, self._generated(argument, context))

    def _generated(self, argument: Any, context: Any) -> Iterator[Any]:
        self.thread = now()
        behaviour, told = self._begin(context), ThreadContext(self, context)
        if self.method.streams_in:
            argument = Requests(self, self._pulled(argument))
        # The context is the thread's, which runs other calls after this one.
        token = current_request.set(self)
        try:
            yield from behaviour(argument, told)
        finally:
            try:
                current_request.reset(token)
            except ValueError:
                # Closed in another context, as a generator that nobody finished is.
                current_request.set(None)

    def answer(self, timing: tuple[str, str]) -> None:
        """Add our time to the trailing metadata."""
        context = self.context
        if context is not None:
            given = self.trailing or getattr(context, "trailing_metadata", tuple)() or ()
            context.set_trailing_metadata((*given, timing))

    def finished(self, task: "asyncio.Task[Any]") -> None:
        """The call's task has done with it."""
        try:
            context = self.context
            # The context of a plain function, which has a thread, does not tell.
            plain = self.respond and not self.failure and not self.thread and not context.code()
            code = OK if plain and not task.cancelling() and not task.cancelled() else self._code(task, context)
            # What was said last is with grpc since then; that the task hears of it takes turns of the event loop.
            self.ended_with(code, self.respond or self.last or now())
        except Exception as error:  # noqa: BLE001 - the edge: the answer is given, only our record is lost
            self.worker.open.pop(self.span_id, None)
            self.worker.hooks.failed(self.hook, error)

    def _code(self, task: "asyncio.Task[Any]", context: Any) -> int:
        if task.cancelling() or task.cancelled():
            left = context.time_remaining() if context is not None else None
            return given_up(left, now() - self.start)
        if self.failure == UNIMPLEMENTED:
            return UNIMPLEMENTED
        if self.failure == OK and not self.accepted:
            return RESOURCE_EXHAUSTED
        if self.failure == OK and not self.body_end and not self.method.streams_in:
            return CANCELLED  # before its message was there
        said = code_of(self.code if self.code is not None else getattr(context, "code", _nothing)())
        return said or (UNKNOWN if self.failure else OK)

    def release(self) -> bool:
        """Let go of the server's objects; whether its client left is what the status says."""
        self.context = self.task = None
        return False


def _nothing() -> None:
    return None


class ThreadContext:
    """The context that a plain function gets, which remembers what the function says through it."""

    __slots__ = ("_call", "_inner")

    def __init__(self, call: LoopCall, inner: Any) -> None:
        self._call = call
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def set_code(self, code: Any) -> None:
        """As the server's."""
        self._inner.set_code(code)
        self._call.code = code

    def set_trailing_metadata(self, metadata: Any) -> None:
        """As the server's."""
        self._inner.set_trailing_metadata(metadata)
        self._call.trailing = tuple(metadata)

    def abort(self, code: Any, *args: Any, **kwargs: Any) -> Any:
        """As the server's: it raises."""
        self._call.code = code
        return self._inner.abort(code, *args, **kwargs)
