"""The faults that the demo fleet can be told to have."""

from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """A fault, by the name the command line knows."""

    SLOW_QUEUE = "slow-queue"
    BIG_PAYLOAD = "big-payload"
    SLOW_NETWORK = "slow-network"
    CPU_THROTTLE = "cpu-throttle"
    COLD_START = "cold-start"
    ERRORS = "errors"
    BAD_DEPLOY = "bad-deploy"


MEANING: dict[Fault, str] = {
    Fault.SLOW_QUEUE: "background work fills the embedder's batches",
    Fault.BIG_PAYLOAD: "the embedder answers with a vector per token, not per text",
    Fault.SLOW_NETWORK: "the way from gateway to embedder takes 60 ms longer each way",
    Fault.CPU_THROTTLE: "the embedder runs 20 ms of every 80 ms, as under a CPU quota",
    Fault.COLD_START: "the embedder's models are unloaded every two seconds",
    Fault.ERRORS: "every fourth request to the embedder raises",
    Fault.BAD_DEPLOY: "version v3 takes over from v2: it pads every text and fails on short ones",
}
"""What each fault does, in words."""


@dataclass(frozen=True, slots=True)
class Window:
    """When a fault is on, in seconds after the start of the load."""

    begin_seconds: float
    end_seconds: float

    def covers(self, seconds: float) -> bool:
        """Whether the fault is on at that time."""
        return self.begin_seconds <= seconds < self.end_seconds


def window_of(duration_seconds: float) -> Window:
    """From 20 % to 50 % of a run: a healthy stretch before, and time to resolve after."""
    return Window(0.2 * duration_seconds, 0.5 * duration_seconds)
