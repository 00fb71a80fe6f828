"""The sockets on which this process listens: how many connections wait there that nobody has accepted."""

from collections.abc import Iterable

from inferometer.recorder.tcp_info import accept_queue


class Listening:
    """File descriptors of listening sockets, from the moment a server listens until it begins to close.

    Only their numbers are kept: a copy of the socket would keep its port open longer than the server does.
    """

    def __init__(self) -> None:
        self._descriptors: tuple[int, ...] = ()

    def on(self, descriptors: Iterable[int]) -> None:
        """A server listens there."""
        self._descriptors = (*self._descriptors, *descriptors)

    def ended(self) -> None:
        """The server is about to close its sockets; their numbers will be those of other files."""
        self._descriptors = ()

    def depths(self) -> tuple[int, ...]:
        """Connections that wait, by socket; nothing for one that is no TCP socket."""
        return tuple(depth for depth in map(accept_queue, self._descriptors) if depth is not None)

    def after_fork(self) -> None:
        """A child says itself on what it serves."""
        self._descriptors = ()
