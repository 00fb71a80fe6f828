"""Which GPUs there are: the library's initialisation, and finding devices anew after they or the driver were lost."""

from collections.abc import Iterator
from typing import Final, TypeVar

from inferometer_exporters.gpus import nvml_library as nvml
from inferometer_exporters.gpus.nvml_calls import Calls, LostError, ReloadedError
from inferometer_exporters.gpus.nvml_gpu import Gpu
from inferometer_exporters.gpus.nvml_library import Call

T = TypeVar("T")

LOOK_NS: Final = 10 * 10**9
"""Time between two looks at the number of devices."""
FIRST_PAUSE_NS: Final = 10**9
LONGEST_PAUSE_NS: Final = 60 * 10**9
"""Pause after an attempt that failed; it doubles until it is this long."""


class Inventory:
    """The GPUs of this host, as one thread finds them.

    Args:
        calls: of the thread.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._initialised = False
        self._number = 0
        self.whole = True
        """Each device that the driver counts was found."""
        self.failures = 0
        """Looks that found not all."""
        self._pause_ns = 0
        self._next_ns = 0
        self.gpus: tuple[Gpu, ...] | None = None
        """Those that were found last; None while the library is not initialised."""

    def due(self, now_ns: int) -> bool:
        """Whether it is time for `look`."""
        return now_ns >= self._next_ns

    def retry(self, now_ns: int) -> None:
        """Something is lost: look again after a pause, which is longer each time."""
        self._pause_ns = min(max(self._pause_ns * 2, FIRST_PAUSE_NS), LONGEST_PAUSE_NS)
        self._next_ns = now_ns + self._pause_ns

    def steady(self) -> None:
        """All that was found answers: the next loss is a new one."""
        self._pause_ns = 0

    def end(self) -> None:
        """Shut the library down; nothing else is in a call of it."""
        self.gpus = None
        if self._initialised:
            self._initialised = False
            self._attempt(nvml.SHUTDOWN)

    def look(self, now_ns: int) -> None:
        """Initialise the library where it is not, and list the devices where they may be others than before."""
        self._calls.forget()
        if not self._initialised:
            self._initialised = self._attempt(nvml.INIT) is True
        number = self._attempt(nvml.COUNT) if self._initialised else None
        if number is None:
            self.gpus = None
            self.failures += 1
            self.retry(now_ns)
            return
        self._next_ns = now_ns + LOOK_NS
        # Asking for a handle takes milliseconds: not each time.
        if self.gpus is None or number != self._number or not self.whole:
            self._number = number
            self.gpus = tuple(self._list(number))
            self.whole = len(self.gpus) == number
        if not self.whole:
            self.failures += 1
            self.retry(now_ns)

    def _list(self, number: int) -> Iterator[Gpu]:
        driver = self._attempt(nvml.DRIVER_VERSION) or ""
        for index in range(number):
            handle = self._attempt(nvml.HANDLE, index)
            uuid = None if handle is None else self._attempt(nvml.UUID, handle)
            name = None if uuid is None else self._attempt(nvml.NAME, handle)
            if uuid is not None and name is not None:
                yield Gpu(handle, uuid, name, driver)

    def _attempt(self, call: Call[T], *arguments: object) -> T | None:
        try:
            return self._calls(call, *arguments)
        except LostError:
            # Counted; the others may answer, and the next look asks again.
            return None
        except ReloadedError:
            self._initialised = False
            return None
