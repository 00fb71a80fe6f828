"""Waiting for what comes about by itself."""

import time


def until(condition, seconds=30):
    """Wait until *condition* holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.005)
