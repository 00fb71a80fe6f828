"""The messages of a stream by gRPC, on their way between a server and a method's behaviour."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from inferometer.recorder.request import now
from inferometer.recorder.rpc_request import RpcRequest
from inferometer.recorder.rpc_status import UNKNOWN


class Requests:
    """The requests of a stream, and how long each was waited for."""

    __slots__ = ("_call", "_inner")

    def __init__(self, call: RpcRequest, inner: Any) -> None:
        self._call = call
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __iter__(self) -> Iterator[Any]:
        """Itself."""
        return self

    def __next__(self) -> Any:
        """The next request."""
        begun = now()
        message = next(self._inner)
        self._call.pulled(begun)
        return message

    def next(self) -> Any:
        """The next request, as grpc's own iterator has it."""
        return self.__next__()


class Responses:
    """The responses of a stream, and how long each took to hand over."""

    __slots__ = ("_call", "_inner")

    def __init__(self, call: RpcRequest, inner: Any) -> None:
        self._call = call
        self._inner = inner

    def __iter__(self) -> Iterator[Any]:
        """Itself."""
        return self

    def __next__(self) -> Any:
        """The next response; the one before it was handed over when somebody asks for it."""
        call = self._call
        call.handed()
        try:
            return next(self._inner)
        except StopIteration:
            call.told()
            raise
        except BaseException as error:
            call.broke(error, UNKNOWN)
            raise


class LoopRequests:
    """The requests of a stream, and how long each was waited for."""

    __slots__ = ("_call", "_inner")

    def __init__(self, call: RpcRequest, inner: Any) -> None:
        self._call = call
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __aiter__(self) -> AsyncIterator[Any]:
        """Itself."""
        return self

    async def __anext__(self) -> Any:
        """The next request."""
        begun = now()
        message = await self._inner.__anext__()
        self._call.pulled(begun)
        return message
