"""The ids by which a line of a log leads to the trace of its request."""

from collections.abc import MutableMapping
from typing import Any, Final

from inferometer.recorder.request import current

TRACE_ID: Final = "trace_id"
SPAN_ID: Final = "span_id"


def current_ids() -> tuple[str, str] | None:
    """(trace id, span id) of the current request, as traces show them; None outside one."""
    request = current()
    if request is None:
        return None
    joined = request.joined
    span_id = (joined.span_id if joined is not None else 0) or request.span_id
    return f"{request.trace_hi:016x}{request.trace_lo:016x}", f"{span_id:016x}"


def structlog_processor(
    logger: object,  # noqa: ARG001 - structlog's protocol
    method_name: str,  # noqa: ARG001 - it has the original's parameters
    event_dict: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    """Give structlog's events the ``trace_id`` and ``span_id`` of the current request.

    Put it among structlog's processors, before the renderer. Outside a request it adds nothing, and it never changes
    what is there already::

        structlog.configure(processors=[inferometer.structlog_processor, structlog.processors.JSONRenderer()])

    Args:
        logger: of structlog, not looked at.
        method_name: of the logger, not looked at.
        event_dict: the event.

    Returns:
        The event, which is the same object.
    """
    ids = current_ids()
    if ids is not None:
        event_dict.setdefault(TRACE_ID, ids[0])
        event_dict.setdefault(SPAN_ID, ids[1])
    return event_dict
