"""From a dot on a board to its waterfall: exemplars in Prometheus, their traces in Jaeger."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from inferometer.catalog.spans import EXEMPLAR_TRACE_ID
from inferometer.errors import InferometerError
from inferometer_compose import web
from inferometer_compose.doctor.link import Link, Where, broken, unseen, whole
from inferometer_compose.doctor.scraping import EXEMPLARS_OF

_BACK_SECONDS: Final = 3600.0
_TRIED: Final = 5
"""Newest exemplars whose traces are asked for."""
_ON_THE_WAY_SECONDS: Final = 60.0
"""So long a trace may be on its way: a Collector of the profile scale waits 30 s before it decides."""


def look(where: Where) -> Iterator[Link]:
    """The links in order; stops where the next ones cannot be seen."""
    if not web.answers(f"{where.jaeger}/api/services"):
        yield broken("jaeger", f"{where.jaeger} does not answer", "start it, or name another with --jaeger")
        return
    yield whole("jaeger", f"{where.jaeger} answers")
    try:
        newest = _newest(where)
    except InferometerError:
        return
    if not newest:
        yield unseen("traces", "Prometheus has no exemplar of the last hour: none to look up")
        return
    gone = [trace for trace in newest if not _there(where, trace)]
    if any(newest[trace] < where.clock() - _ON_THE_WAY_SECONDS for trace in gone):
        says = f"{len(gone)} of the {len(newest)} newest exemplars have no trace in Jaeger, such as {gone[0]}"
        cure = "the sidecar's --otlp must end in this Jaeger, and what samples between them must keep inference.keep"
        yield broken("traces", says, cure)
    elif gone:
        says = f"{len(gone)} of the {len(newest)} newest exemplars have no trace in Jaeger yet, such as {gone[0]}"
        yield unseen("traces", f"{says}: traces may take {_ON_THE_WAY_SECONDS:.0f} s")
    else:
        yield whole("traces", f"the {len(newest)} newest exemplars open their traces")


def _newest(where: Where) -> dict[str, float]:
    """Trace and moment of the newest exemplars: those whose traces must be there, else those that there are."""
    now = where.clock()
    asked = {"query": EXEMPLARS_OF, "start": f"{now - _BACK_SECONDS:.0f}", "end": f"{now:.0f}"}
    series = web.get_json(f"{where.prometheus}/api/v1/query_exemplars?{urlencode(asked)}")["data"]
    found = {
        str(one["labels"][EXEMPLAR_TRACE_ID]): float(one["timestamp"])
        for entry in series
        for one in entry["exemplars"]
        if EXEMPLAR_TRACE_ID in one["labels"]
    }
    settled = {trace: at for trace, at in found.items() if at < now - _ON_THE_WAY_SECONDS}
    newest = sorted((settled or found).items(), key=lambda one: -one[1])
    return dict(newest[:_TRIED])


def _there(where: Where, trace: str) -> bool:
    return web.fetch(f"{where.jaeger}/api/traces/{trace}").status == HTTPStatus.OK
