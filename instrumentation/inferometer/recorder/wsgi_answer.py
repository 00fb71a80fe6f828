"""The answer of a WSGI application as the server iterates it: its end ends the request, or its ``close``."""

from collections.abc import Callable, Iterable
from typing import Any

from inferometer.recorder.request import current_request, now
from inferometer.recorder.wsgi_request import WsgiRequest

_set, _reset = current_request.set, current_request.reset


class Parts:
    """Stands for the iterable that an application returned."""

    __slots__ = ("_inner", "_next", "_request")

    def __init__(self, request: WsgiRequest, inner: Iterable[bytes]) -> None:
        self._request = request
        self._inner = inner
        self._next: Callable[[], bytes] = self._first

    def __iter__(self) -> "Parts":
        """Itself: an answer is iterated once."""
        return self

    def __next__(self) -> bytes:
        """The next part, which is made in the request's context."""
        request = self._request
        if request.part:
            request.took()
        token = _set(request)
        try:
            part = self._next()
        except StopIteration:
            self._end()
            raise
        except BaseException as error:
            request.raise_(error)
            request.close()
            raise
        finally:
            _reset(token)
        request.hand(part)
        if request.pending is not None:
            request.begin()
        return part

    def _first(self) -> bytes:
        self._next = iter(self._inner).__next__
        return self._next()

    def _end(self) -> None:
        request = self._request
        if not request.handed:
            request.hand(b"")
        if request.pending is not None:
            request.begin()
        request.last = now()
        request.close()

    def close(self) -> None:
        """The server is done with the answer, or the client has left; what the application then does is outside."""
        close = getattr(self._inner, "close", None)
        if self._request.ended:
            if close is not None:
                close()
            return
        self._break_off()
        token = _set(self._request)
        try:
            if close is not None:
                close()
        finally:
            _reset(token)
            self._request.close()

    def _break_off(self) -> None:
        request = self._request
        if request.whole():
            # The server saw by itself that no more can come.
            request.took()
        else:
            request.left = True
        request.last = now()

    def __del__(self) -> None:
        """A server that never closes an answer does not keep its request open."""
        if not self._request.ended:
            self._request.close()


class SizedParts(Parts):
    """Parts whose number is known: servers state the length of an answer that has one part."""

    __slots__ = ()

    def __len__(self) -> int:
        """As of what the application returned."""
        return len(self._inner)  # type: ignore[arg-type]  # it is made for what has a length


def answer(request: WsgiRequest, returned: Any) -> Any:
    """What the server gets for what the application *returned*."""
    environ = request.environ
    wrapper = environ.get("wsgi.file_wrapper") if environ is not None else None
    if isinstance(wrapper, type) and isinstance(returned, wrapper):
        # The server hands the file to the kernel, if it gets its own wrapper back.
        return _file(request, returned)
    return SizedParts(request, returned) if hasattr(returned, "__len__") else Parts(request, returned)


def _file(request: WsgiRequest, returned: Any) -> Any:
    request.begin()
    request.bytes_out = max(request.length, 0)
    close = getattr(returned, "close", None)

    def closed() -> None:
        request.last = request.last or now()
        try:
            if close is not None:
                close()
        finally:
            request.close()

    try:
        returned.close = closed
    except AttributeError:
        # An object of the server's own kind, such as uWSGI's: when the file is gone, nobody tells.
        request.last = now()
        request.close()
    return returned
