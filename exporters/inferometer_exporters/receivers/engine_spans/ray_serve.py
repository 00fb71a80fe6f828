"""Ray Serve: the proxy's span with the replica's below it; between them lies the way to the replica and the wait there.

Source: spans of Ray 2.60, all of them SERVER spans: ``proxy_http_request APPLICATION METHOD PATH``, ``route_to_replica
DEPLOYMENT METHOD``, ``replica_handle_request DEPLOYMENT METHOD``. The proxy calls the path that was asked for a route,
whatever it was; the application's own is on the others.
"""

from typing import Final

from inferometer.catalog import engine_spans, spans
from inferometer.catalog.stages import Kind, Stage
from inferometer_exporters.receivers.facts import Convention, Facts, Part, Told, number, outcome, text

_PROXY: Final = ("proxy_http_request", "proxy_grpc_request")
_ROUTED: Final = "route_to_replica"
_REPLICA: Final = "replica_handle_request"
_STATUS: Final = (spans.HTTP_STATUS.name, engine_spans.RAY_STATUS)
_ROUTE: Final = spans.HTTP_ROUTE.name


def _may_be(name: str) -> bool:
    return name.startswith(_PROXY)


def _ask(span: Told) -> Facts | None:
    if not _may_be(span.name):
        return None
    below = sorted(span.below(), key=lambda one: one.start)
    replica = next((one for one in below if one.name.startswith(_REPLICA)), None)
    routed = next((one for one in below if one.name.startswith(_ROUTED)), None)
    waited = routed is not None and replica is not None and routed.start <= replica.start
    parts = (Part(Stage.QUEUE, Kind.ENGINE, routed.start, replica.start),) if routed and replica and waited else ()
    status = number(span.attributes, _STATUS)
    words = [] if replica is None else replica.name.split()
    return Facts(
        outcome=outcome(span, status),
        status=status,
        model=words[1] if len(words) > 1 else "",
        route=next((text(one.attributes, (_ROUTE,)) for one in (replica, routed) if one is not None), ""),
        parts=parts,
    )


NORMALIZER: Final = Convention(frozenset({*_STATUS, _ROUTE}), _ask, called=_may_be)
