"""NVIDIA Dynamo: the frontend's ``http-request``, what its router does below it, and each worker's ``handle_payload``.

The span of an attempt lies above the worker's, and the worker's above those of the engine in it, which are requests of
their own. In 1.4 all of them are of no kind, and an attempt (``kv_router.route_request``) ends when it was sent, so the
worker's span counts, too. Source: spans of Dynamo 1.4.2; names of the tracing of 1.6 and the test of it in its
repository (``router.route_request`` is a CLIENT span, ``handle_payload`` a SERVER span below it).
"""

from typing import Final

from inferometer.catalog import engine_spans
from inferometer.catalog.stages import Kind, Stage
from inferometer_exporters.receivers.facts import Convention, Facts, Part, Told, outcome, text

FRONTEND: Final = "http-request"
WORKER: Final = "handle_payload"
_ATTEMPTS: Final = frozenset({"router.route_request", "kv_router.route_request"})
_CHOOSING: Final = "kv_router."
_OF_ROUTERS: Final = "worker_kv_query_source"
"""Endpoints that routers ask for what a worker's cache holds: no requests of users."""
_COMPONENT: Final = engine_spans.DYNAMO_COMPONENT
_ENDPOINT: Final = engine_spans.DYNAMO_ENDPOINT


def _ask(span: Told) -> Facts | None:
    if span.name == WORKER:
        # Of a span with this name somebody else may be the author.
        endpoint = text(span.attributes, (_ENDPOINT,))
        asked = endpoint and not endpoint.startswith(_OF_ROUTERS)
        return Facts(outcome=outcome(span, 0), route=endpoint) if asked else None
    if span.name != FRONTEND:
        return None
    below = span.below()
    away = [one for one in below if one.name in _ATTEMPTS or one.name == WORKER]
    choosing = [one for one in below if one.name.startswith(_CHOOSING) and one.name not in _ATTEMPTS]
    if not away and not choosing:
        return None
    parts = [Part(Stage.QUEUE, Kind.ENGINE, one.start, one.end) for one in choosing]
    parts += [Part(Stage.REMOTE, Kind.INFERENCE, one.start, one.end) for one in away]
    return Facts(outcome=outcome(span, 0), route=FRONTEND, parts=tuple(parts))


NORMALIZER: Final = Convention(
    frozenset({_COMPONENT, _ENDPOINT}),
    _ask,
    roots=True,
    called={FRONTEND, WORKER}.__contains__,
    inner=frozenset({FRONTEND, WORKER}),
)
