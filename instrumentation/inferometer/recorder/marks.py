"""What a user says about a request: stages of their own, names, tokens."""

import logging
import operator
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Literal, SupportsIndex

from inferometer.catalog.stages import Stage
from inferometer.record.model import Flag
from inferometer.recorder import tokens as token_marks
from inferometer.recorder.executes import ExecuteMark, running_batch
from inferometer.recorder.request import OpenRequest, current
from inferometer.recorder.this_process import worker

log = logging.getLogger("inferometer")

StageName = Literal[
    "deserialize",
    "execute",
    "handler",
    "network",
    "other",
    "postprocess",
    "preprocess",
    "queue",
    "remote",
    "serialize",
]
_STAGES: Final[Mapping[str, Stage]] = {stage.label: stage for stage in Stage}
_unknown: Final[set[str]] = set()
_MAX_TEXT: Final = 200


class stage:  # noqa: N801 - reads as a keyword: with inferometer.stage("preprocess"):
    """Give the time of a block to a stage of the current request; ``with`` and ``async with`` both work.

    Works wherever the request's context is: in the endpoint, in ``asyncio`` tasks, in threads of a pool. In a function
    of `inferometer.batch` it is the stage of every member. Outside a request it does nothing, except
    ``stage("execute")``, which is then device time of no request. Where stages overlap inside one request, the order
    of precedence decides (`inferometer.catalog.stages.PRECEDENCE`).
    """

    __slots__ = ("_execute", "_requests", "_stage", "_start")

    def __init__(self, name: StageName) -> None:
        """Name the stage; nothing begins yet.

        Args:
            name: One of the closed set of stages; another one marks nothing and is warned of once.
        """
        found = _STAGES.get(name)
        if found is None and name not in _unknown and len(_unknown) < _MAX_TEXT:
            _unknown.add(name)
            log.warning(
                "inferometer.stage(%r): no such stage, nothing is marked; there are %s", name, ", ".join(_STAGES)
            )
        self._stage = found
        self._requests: tuple[OpenRequest | None, ...] = ()
        self._execute: ExecuteMark | None = None
        self._start = 0

    def __enter__(self) -> None:
        """The stage begins."""
        if self._stage is Stage.EXECUTE:
            here = worker()
            self._execute = here.executes.begin(here.device)
        elif self._stage is not None:
            batch = running_batch.get()
            self._requests = batch.owners if batch is not None else (current(),)
            self._start = time.monotonic_ns()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """The stage ends."""
        if self._execute is not None:
            worker().executes.end(self._execute)
            self._execute = None
        elif self._stage is not None:
            end = time.monotonic_ns()
            requests, self._requests = self._requests, ()
            for request in requests:
                if request is not None:
                    request.add_interval(self._start, end, self._stage)

    async def __aenter__(self) -> None:
        """The stage begins."""
        self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """The stage ends."""
        self.__exit__(kind, error, traceback)


def annotate(
    *,
    model: str | None = None,
    version: str | None = None,
    tenant: str | None = None,
    request_class: str | None = None,
    degraded: bool | None = None,
    rejected: bool | None = None,
    cache_hit: bool | None = None,
    warmup: bool | None = None,
) -> None:
    """Say what only the application knows of the current request; what is left out stays as it is.

    Outside a request it does nothing. Names are cut at 200 characters, and when a label has more values than its
    bound, further ones count as ``other``.

    Args:
        model: The model that answers; without it the name that a hook finds, else the route template.
        version: Version of the model.
        tenant: Whose request it is; stands before the configured header.
        request_class: Bounded class such as ``interactive`` or ``batch``.
        degraded: The answer is that of a fallback; counts as answered, but shows.
        rejected: The service does not want the request now (as 429, and 503 with ``Retry-After``, say by themselves).
        cache_hit: The answer came from a cache.
        warmup: Outside every SLO, percentile and count but that of warm-ups.
    """
    request = current()
    if request is None:
        return
    if model is not None:
        request.model = str(model)[:_MAX_TEXT]
    if version is not None:
        request.version = str(version)[:_MAX_TEXT]
    if tenant is not None:
        request.tenant = str(tenant)[:_MAX_TEXT]
    if request_class is not None:
        request.request_class = str(request_class)[:_MAX_TEXT]
    if degraded is not None:
        request.degraded = degraded
    if rejected is not None:
        request.rejected = rejected
    if cache_hit is not None:
        request.flags = _with(request.flags, Flag.CACHE_HIT, present=cache_hit)
    if warmup is not None:
        request.flags = _with(request.flags, Flag.WARMUP, present=warmup)


def _with(flags: int, flag: Flag, *, present: bool) -> int:
    return flags | flag if present else flags & ~flag


def tokens(*, input: int = 0, output: int = 0, chunks: bool = False) -> None:  # noqa: A002 - the word of the field
    """Say how many tokens the current request has read and written, and when; calls add up.

    ::

        inferometer.tokens(input=len(prompt), output=len(ids))  # numbers, said once
        for token in generate(prompt):
            inferometer.tokens(output=1)  # a token that is there now: first token, last token, times between

    ``output=1`` says *when*, too: the first such call is the time to the first token, those that follow are the times
    between tokens. A larger number is a number only. Works in any kind of request, streamed or not, wherever the
    request's context is; outside a request, and in a function of `inferometer.batch`, it does nothing.

    What is said here stands before what a hook of a library counts, and that before what the answer states (``usage``
    of the usual APIs). Streamed answers of those APIs need no call: their tokens are seen as they pass. Numbers are
    never guessed from chunks; without any of these they are unknown.

    Args:
        input: Tokens that were read; what is no positive integer is nothing.
        output: Tokens that were written; likewise.
        chunks: Every chunk of this answer (of a stream of events: every event with data) is a token, whatever is in
            it; to be said before the first. It says when tokens are there, not how many they are.
    """
    request = current()
    if request is None:
        return
    tokens_in, tokens_out = _number(input), _number(output)
    if tokens_out == 1:
        token_marks.told_now(request, time.monotonic_ns())
    token_marks.told(request, tokens_in=tokens_in, tokens_out=tokens_out)
    if chunks:
        request.said |= token_marks.CHUNKS


def _number(value: SupportsIndex) -> int:
    try:
        return max(operator.index(value), 0)
    except Exception:  # noqa: BLE001 - of the caller's type; nothing is raised into a request
        return 0
