"""Who a worker says that it is, whether it may send, and how its clock becomes ours."""

from collections.abc import Callable
from typing import Final

from inferometer.access import Token
from inferometer.catalog.labels import REFUSAL
from inferometer.intake.connection import Connection, RefusalError
from inferometer.intake.distant_clock import DistantClock
from inferometer.intake.pipeline import WorkerInfo
from inferometer.wire.frame import Frame, Names
from inferometer.wire.message import Hello
from inferometer.wire.pod import Pod

MAX_NAMES: Final = 100_000
"""Label sets and strings of one worker."""
_UNAUTHORIZED, _, _TOO_LARGE, _, _, _, _UNSUPPORTED = REFUSAL.values[:7]
Translate = Callable[[Frame, int], Frame]
"""Moves the stamps of a frame by so many ns."""


class Introductions:
    """Takes the HELLO of workers.

    Args:
        boot_id: of this kernel; the clock of a worker of another one is not ours.
        token: that workers show who come over TCP; None: they show nothing.
        translate: puts frames of another kernel on our clock; None: such workers are refused.
        pod_of: what is known of a process on this host that does not say it; of none that can be seen the id is 0.
        monotonic: seconds.
    """

    def __init__(
        self,
        *,
        boot_id: str,
        token: Token | None,
        translate: Translate | None,
        pod_of: Callable[[int], Pod],
        monotonic: Callable[[], float],
    ) -> None:
        self._boot_id = boot_id
        self._token = token
        self._translate = translate
        self._pod_of = pod_of
        self._monotonic = monotonic

    def take(self, connection: Connection, hello: Hello) -> None:
        """Note who is on the other side.

        Raises:
            RefusalError: it may not send, or its clock cannot be ours.
        """
        if connection.is_tcp and self._token is not None and not self._token.equals(hello.token):
            raise RefusalError(_UNAUTHORIZED, "unauthorized")
        start_ns = hello.start_ns
        if hello.boot_id != self._boot_id:
            start_ns += self._distant(connection, hello)
        connection.worker = WorkerInfo(
            worker_id=hello.worker_id,
            pid=hello.pid,
            service=hello.service,
            sdk_version=hello.sdk_version,
            host=hello.host,
            start_ns=start_ns,
            pod=hello.pod if connection.is_tcp else hello.pod.or_else(self._pod_of(connection.pid)),
        )
        learn(connection, hello.names)

    def _distant(self, connection: Connection, hello: Hello) -> int:
        """Note that a worker has another kernel's clock; what is to be added to its stamps."""
        if self._translate is None or not connection.is_tcp:
            why = "the worker runs on another kernel: it must come over TCP (inferometer sidecar --frames-tcp)"
            raise RefusalError(_UNSUPPORTED, why)
        connection.clock = DistantClock()
        if not hello.monotonic_ns:
            return 0
        return connection.clock.message(hello.monotonic_ns, int(self._monotonic() * 10**9))

    def on_our_clock(self, connection: Connection, frame: Frame) -> Frame:
        """A frame with the stamps of our clock."""
        if connection.clock is None or self._translate is None:
            return frame
        return self._translate(frame, connection.clock.message(frame.monotonic_ns, int(self._monotonic() * 10**9)))


def learn(connection: Connection, names: Names) -> None:
    """Take in what a worker's numbers stand for.

    Raises:
        RefusalError: they are too many.
    """
    connection.names.update(names)
    if len(connection.names.shapes) + len(connection.names.strings) > MAX_NAMES:
        raise RefusalError(_TOO_LARGE, f"the worker gave out more than {MAX_NAMES} names")
