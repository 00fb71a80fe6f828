"""A server that takes what workers are sending: under load passes grow, and large passes are where columns pay."""

import time
from typing import Final

from inferometer.intake.passes import EARLY_ROWS
from inferometer.intake.server import Server

MAX_ROWS: Final = 16_384
"""Requests of one pass, about; what comes beyond waits for the next in the kernel's buffers."""
_PAUSE_SECONDS: Final = 0.005
"""Where nothing came for so long, the workers have sent what they had."""


class DrainingServer(Server):
    """Where a pass would come early, reads on until the workers pause, or until `MAX_ROWS` are there.

    A request of a pass of 2,500 costs 19 µs, one of a pass of 9,000 costs 11 (``benchmarks/sidecar.py``).
    """

    def poll(self, timeout: float) -> None:
        """Wait up to *timeout* seconds for something, and read all that is there."""
        super().poll(timeout)
        pause = 0.0
        while EARLY_ROWS <= self.waiting_requests < MAX_ROWS and pause < _PAUSE_SECONDS:
            begin = time.monotonic()
            super().poll(_PAUSE_SECONDS)
            pause = time.monotonic() - begin
