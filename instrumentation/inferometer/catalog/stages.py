"""The closed set of exclusive times that a request's duration is divided into, and their kinds."""

from dataclasses import dataclass
from enum import IntEnum


class Stage(IntEnum):
    """A stage; the number is its code on the wire and its column in the recorder, never reused."""

    NETWORK = 1
    QUEUE = 2
    DESERIALIZE = 3
    PREPROCESS = 4
    EXECUTE = 5
    POSTPROCESS = 6
    SERIALIZE = 7
    REMOTE = 8
    HANDLER = 9
    OTHER = 10

    @property
    def label(self) -> str:
        """The name on series and spans."""
        return self.name.lower()


class Kind(IntEnum):
    """What a stage was doing; an attribute of spans and segments, never a label."""

    NONE = 0
    READ = 1
    SEND = 2
    TRANSIT = 3
    KERNEL = 10
    EVENT_LOOP = 11
    THREADPOOL = 12
    POOL = 13
    BATCH_WAIT = 14
    DEVICE = 15
    ENGINE = 16
    COPY_IN = 20
    PREFILL = 21
    DECODE = 22
    BATCH = 23
    COPY_OUT = 24
    INFERENCE = 30
    DEPENDENCY = 31

    @property
    def label(self) -> str:
        """The value of the span attribute; empty where a stage has no kinds."""
        if self is Kind.NONE:
            return ""
        return "batch" if self is Kind.BATCH_WAIT else self.name.lower()


@dataclass(frozen=True, slots=True)
class StageDoc:
    """One sentence on what a stage means, and the kinds it may have."""

    stage: Stage
    meaning: str
    kinds: tuple[Kind, ...] = ()


STAGES = (
    StageDoc(
        Stage.NETWORK,
        "request bytes in, response bytes out, transit to a callee",
        (Kind.READ, Kind.SEND, Kind.TRANSIT),
    ),
    StageDoc(
        Stage.QUEUE,
        "waiting before work starts",
        (Kind.KERNEL, Kind.EVENT_LOOP, Kind.THREADPOOL, Kind.POOL, Kind.BATCH_WAIT, Kind.DEVICE, Kind.ENGINE),
    ),
    StageDoc(Stage.DESERIALIZE, "decode and validate the request"),
    StageDoc(Stage.PREPROCESS, "tokenize, features: marked by the user or hooked"),
    StageDoc(
        Stage.EXECUTE,
        "the model runs: device time on a GPU, the call's wall time on a CPU",
        (Kind.COPY_IN, Kind.PREFILL, Kind.DECODE, Kind.BATCH, Kind.COPY_OUT),
    ),
    StageDoc(Stage.POSTPROCESS, "marked by the user"),
    StageDoc(Stage.SERIALIZE, "encode the response"),
    StageDoc(Stage.REMOTE, "waiting for another service", (Kind.INFERENCE, Kind.DEPENDENCY)),
    StageDoc(Stage.HANDLER, "inside the endpoint, not marked"),
    StageDoc(Stage.OTHER, "the remainder"),
)

# Where several claims overlap, the first of this list owns the instant. What the user marks by hand beats what a
# hook infers around it: a tokenizer inside a dependency is preprocess, not deserialize.
PRECEDENCE = (
    Stage.EXECUTE,
    Stage.PREPROCESS,
    Stage.POSTPROCESS,
    Stage.DESERIALIZE,
    Stage.SERIALIZE,
    Stage.QUEUE,
    Stage.REMOTE,
    Stage.NETWORK,
    Stage.HANDLER,
    Stage.OTHER,
)


class Outcome(IntEnum):
    """How a request ended; the number is its code on the wire."""

    OK = 0
    DEGRADED = 1
    CLIENT_ERROR = 2
    SERVER_ERROR = 3
    TIMEOUT = 4
    CANCELLED = 5
    REJECTED = 6

    @property
    def label(self) -> str:
        """The value of the label ``outcome``."""
        return self.name.lower()


ANSWERED = frozenset({Outcome.OK, Outcome.DEGRADED})
"""Outcomes whose latency counts."""
FAILED = frozenset({Outcome.SERVER_ERROR, Outcome.TIMEOUT, Outcome.REJECTED})
"""Outcomes that are bad for availability; client_error and cancelled count neither way."""
