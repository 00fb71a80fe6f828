"""A request that the application opens itself, because no server of ours sees it: a message, a batch job, a call."""

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, cast

from inferometer.catalog.jobs import JOB
from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.errors import InferometerError
from inferometer.record.model import Flag
from inferometer.recorder.headers import TRACEPARENT, TRACESTATE, format_traceparent, outgoing_state, parse_traceparent
from inferometer.recorder.request import OpenRequest, current, current_request
from inferometer.recorder.this_process import worker

if TYPE_CHECKING:
    from inferometer.recorder.worker import Worker

P = ParamSpec("P")
R = TypeVar("R")
Headers = Mapping[str, object] | Mapping[bytes, object] | Iterable[tuple[str | bytes, object]]
"""Headers of a message, as the libraries of queues have them; what is neither text nor bytes is left out."""

JOB_HOOK: Final = "request"
"""What errors of ours around such a request are counted for."""
_MAX_TEXT: Final = 200
_NS: Final = 10**9


class JobRequest(OpenRequest):
    """An open request without a server."""

    __slots__ = ("name",)

    def __init__(self, here: "Worker", name: str, headers: list[tuple[bytes, bytes]]) -> None:
        OpenRequest.__init__(self, here, headers)
        self.name = name

    def raise_(self, error: BaseException) -> None:
        """The block raised *error*."""
        OpenRequest.raise_(self, error)
        if isinstance(error, KeyboardInterrupt | GeneratorExit):
            self.raised = Outcome.CANCELLED
        elif isinstance(error, SystemExit) and error.code in {None, 0}:
            self.raised = None

    def place(self) -> tuple[str, str]:
        """(method, name)."""
        return JOB, self.name

    def _outcome(self, done: int, *, left: bool) -> Outcome:
        if self.raised is None:
            if self.rejected:
                return Outcome.REJECTED
            return Outcome.DEGRADED if self.degraded else Outcome.OK
        return super()._outcome(done, left=left)


class request:  # noqa: N801 - reads as a keyword: with inferometer.request("rank"):
    """Record a block, or each call of a function, as a request: what is no web request has no server that tells of it.

    For a consumer of Kafka, Redis, NATS or Celery, a batch job, the handler of a serverless function::

        with inferometer.request("rank", headers=message.headers(), queued_at=message.timestamp()[1] / 1000):
            rank(message.value())

        @inferometer.request("nightly-embeddings", model="minilm")
        def job() -> None: ...

    ``with``, ``async with`` and functions of both kinds work, with or without ``import inferometer.auto``. What the
    block raises passes through and makes the outcome: a timeout, a cancellation, else a server error; say
    ``inferometer.annotate(rejected=True)`` for a message that is put back. All marks work inside. A process that is
    frozen or killed between two of them calls ``inferometer.flush()`` at the end of each.

    Inside an open request it opens a request of its own, child of the outer one, whose time the outer one shows as
    ``remote``: two hops in one process. Where *headers* name another trace, that one is its parent.
    """

    __slots__ = ("_arguments", "_name", "_open", "_outer", "_token")

    def __init__(
        self,
        name: str,
        *,
        headers: Headers | None = None,
        model: str | None = None,
        version: str | None = None,
        tenant: str | None = None,
        request_class: str | None = None,
        queued_at: float | None = None,
    ) -> None:
        """Say what is known before it begins.

        Args:
            name: What is done, such as a topic or a job: one of few, it stands where the route of a web request does.
            headers: Of the message; ``traceparent``, ``tracestate``, ``baggage``, ``x-request-id`` and the header of
                the tenant are read, as of a web request.
            model: The model that answers; without it the name that a hook finds, else *name*.
            version: Version of the model.
            tenant: Whose request it is; stands before the header.
            request_class: Bounded class such as ``interactive`` or ``batch``.
            queued_at: When the message was put into its queue, in seconds since 1970, by whichever clock. The time from
                then on is the proxy wait, which is outside the duration; one that cannot be is counted as a skew.
        """
        self._name = name
        self._arguments = (headers, model, version, tenant, request_class, queued_at)
        self._open: JobRequest | None = None
        self._outer: OpenRequest | None = None
        self._token: Any = None

    def __enter__(self) -> None:
        """The request begins."""
        try:
            self._open = self._begin()
        except Exception as error:  # noqa: BLE001 - the edge: the block runs without us
            worker().hooks.failed(JOB_HOOK, error)
        if self._open is not None:
            self._token = current_request.set(self._open)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """The request ends."""
        opened, self._open = self._open, None
        if opened is None:
            return
        if error is not None:
            opened.raise_(error)
        opened.close()
        outer, self._outer = self._outer, None
        if outer is not None:
            outer.add_interval(opened.entry, opened.ended, Stage.REMOTE, Kind.INFERENCE)
        try:
            current_request.reset(self._token)
        except ValueError:
            # Closed by another task, as asynchronous generators are: that context ends by itself.
            current_request.set(None)

    async def __aenter__(self) -> None:
        """The request begins."""
        self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """The request ends."""
        self.__exit__(kind, error, traceback)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Make each call of *function* a request.

        Raises:
            InferometerError: it is a generator, whose call does nothing yet: use ``with`` inside it.
        """
        from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction  # noqa: PLC0415 - it is large

        if isgeneratorfunction(function) or isasyncgenfunction(function):
            raise InferometerError(
                f"inferometer.request({self._name!r}) on the generator {getattr(function, '__name__', function)}: "
                "a with statement inside it is right"
            )
        if iscoroutinefunction(function):

            @functools.wraps(function)
            async def recorded_coroutine(*args: P.args, **kwargs: P.kwargs) -> Any:
                with self._again():
                    return await function(*args, **kwargs)

            return cast("Callable[P, R]", recorded_coroutine)

        @functools.wraps(function)
        def recorded(*args: P.args, **kwargs: P.kwargs) -> R:
            with self._again():
                return function(*args, **kwargs)

        return recorded

    def _again(self) -> "request":
        """The same for another call: calls may run side by side."""
        made = request(self._name)
        made._arguments = self._arguments
        return made

    def _begin(self) -> JobRequest | None:
        here = worker()
        if not here.started:
            here.start(ready=False)
        if not here.started:
            # It is switched off.
            return None
        headers, model, version, tenant, request_class, queued_at = self._arguments
        found = _wanted(headers, here.wanted_headers)
        outer = current()
        if outer is not None and not any(
            name == TRACEPARENT.encode() and parse_traceparent(value) for name, value in found
        ):
            self._outer = outer
            tenant = tenant or outer.tenant
            request_class = request_class or outer.request_class
            found = [*_from(outer), *(pair for pair in found if pair[0] not in _TRACE)]
        made = JobRequest(here, str(self._name)[:_MAX_TEXT], found)
        made.model = _text(model) or made.model
        made.version = _text(version) or made.version
        made.tenant = _text(tenant) or made.tenant
        made.request_class = _text(request_class) or made.request_class
        if queued_at is not None and math.isfinite(queued_at):
            made.proxy_wait = here.proxy_clock.since_ns(int(queued_at * _NS), made.entry)
        return made


_TRACE: Final = frozenset({TRACEPARENT.encode(), TRACESTATE.encode()})


def _text(text: str | None) -> str:
    return "" if text is None else str(text)[:_MAX_TEXT]


def _from(outer: OpenRequest) -> list[tuple[bytes, bytes]]:
    """What would be sent on to another hop."""
    sampled = bool(outer.flags & Flag.SAMPLED)
    parent = format_traceparent(outer.trace_hi, outer.trace_lo, outer.span_id, sampled=sampled)
    return [
        (TRACEPARENT.encode(), parent.encode()),
        (TRACESTATE.encode(), outgoing_state(outer.state).encode()),
        (b"baggage", outer.baggage),
    ]


def _wanted(headers: object, wanted: frozenset[bytes]) -> list[tuple[bytes, bytes]]:
    """Of any headers those that are read, names in lower case; of what are no headers none."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    found: list[tuple[bytes, bytes]] = []
    for pair in pairs if isinstance(pairs, Iterable) else ():
        if isinstance(pair, tuple | list) and len(pair) == 2:  # noqa: PLR2004 - name and value
            name, value = map(_bytes, pair)
            if name is not None and value is not None and name.lower() in wanted:
                found.append((name.lower(), value))
    return found


def _bytes(text: object) -> bytes | None:
    if isinstance(text, str):
        return text.encode("latin-1", "replace")
    return bytes(text) if isinstance(text, bytes | bytearray | memoryview) else None
