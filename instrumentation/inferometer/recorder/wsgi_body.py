"""The body of a WSGI request: reading it is the network's, from the first byte to the last."""

from collections.abc import Iterator
from typing import Any

from inferometer.recorder.request import OpenRequest, now


class Body:
    """Stands for the ``wsgi.input`` of a server, and is that in everything but the stamps."""

    __slots__ = ("_inner", "_request")

    def __init__(self, request: OpenRequest, inner: Any) -> None:
        self._request = request
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def read(self, *args: Any) -> Any:
        """As the server's."""
        begun = now()
        data = self._inner.read(*args)
        self._took(begun, len(data) if data else 0)
        return data

    def readline(self, *args: Any) -> Any:
        """As the server's."""
        begun = now()
        line = self._inner.readline(*args)
        self._took(begun, len(line) if line else 0)
        return line

    def readlines(self, *args: Any) -> Any:
        """As the server's."""
        begun = now()
        lines = self._inner.readlines(*args)
        self._took(begun, sum(map(len, lines or ())))
        return lines

    def readinto(self, buffer: Any) -> Any:
        """As the server's, where it has one."""
        begun = now()
        number = self._inner.readinto(buffer)
        self._took(begun, number or 0)
        return number

    def __iter__(self) -> Iterator[Any]:
        """Line by line, as the server's."""
        begun = now()
        for line in self._inner:
            self._took(begun, len(line))
            yield line
            begun = now()

    def _took(self, begun: int, size: int) -> None:
        request = self._request
        # What comes after the last byte is nothing, however late the application asks for it.
        if size:
            request.body_start = request.body_start or begun
            request.body_end = now()
            request.bytes_in += size
