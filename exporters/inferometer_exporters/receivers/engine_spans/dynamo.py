"""NVIDIA Dynamo: the frontend's ``http-request``, what its router does below it, and each worker's ``handle_payload``.

The span of an attempt (CLIENT) lies above the worker's, and the worker's above those of the engine in it, which
are requests of their own. Source: Dynamo 1.6, names of its tracing and the test of it in its repository
(``router.route_request`` is a CLIENT span, ``handle_payload`` a SERVER span below it).
"""

from typing import Final

from inferometer.catalog import engine_spans
from inferometer.catalog.stages import Kind, Stage
from inferometer_exporters.receivers.facts import Convention, Facts, Part, Told, outcome, text

FRONTEND: Final = "http-request"
WORKER: Final = "handle_payload"
_ATTEMPT: Final = "router.route_request"
_CHOOSING: Final = "kv_router."
_COMPONENT: Final = engine_spans.DYNAMO_COMPONENT
_ENDPOINT: Final = engine_spans.DYNAMO_ENDPOINT


def _ask(span: Told) -> Facts | None:
    if span.name == WORKER:
        # Of a span with this name somebody else may be the author.
        endpoint = text(span.attributes, (_ENDPOINT,))
        return Facts(outcome=outcome(span, 0), route=endpoint) if endpoint else None
    if span.name != FRONTEND:
        return None
    below = span.below()
    if not any(one.name == _ATTEMPT or one.name.startswith(_CHOOSING) or one.name == WORKER for one in below):
        return None
    parts = [Part(Stage.QUEUE, Kind.ENGINE, one.start, one.end) for one in below if one.name.startswith(_CHOOSING)]
    parts += [Part(Stage.REMOTE, Kind.INFERENCE, one.start, one.end) for one in below if one.name == _ATTEMPT]
    return Facts(outcome=outcome(span, 0), route=FRONTEND, parts=tuple(parts))


NORMALIZER: Final = Convention(
    frozenset({_COMPONENT, _ENDPOINT}), _ask, roots=True, called={FRONTEND, WORKER}.__contains__
)
