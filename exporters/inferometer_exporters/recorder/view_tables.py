"""What the panels of a view are asked of: small tables in base units, made once for all panels of one answer.

``cells``
    Requests by time, label set, outcome and ``entry``: number, seconds of each stage, tokens, device seconds, dollars.
``spread``
    Distributions of a ``measure`` by time and model: number of requests at so many ``seconds``, right to 2.2 %.
``tail``
    Those at and above the p99 of their model: their number, and the seconds of their stages.
``events``
    Good and bad events of each objective by time, and the share that may be bad.
``device_time``
    What each device did and cost by time and state.
``prices``
    What is known of each device's price.
``span``
    One row: when the view begins and ends, and how long a step is, in seconds.

Times are seconds since the epoch, of the begin of a step; ``lasted`` is how long the step is as far as it has passed.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from inferometer.fleet.thresholds import Thresholds
from inferometer_exporters.recorder import view_devices, view_events, view_requests
from inferometer_exporters.recorder.levels import COUNTED, Levels
from inferometer_exporters.recorder.reading import SECOND, Cursor, rows
from inferometer_exporters.recorder.view_steps import NAMED, Span, Steps

TABLES: Final = ("cells", "spread", "tail", "events", "device_time", "prices")
"""In the order in which they are made: ``tail`` is made of ``spread``."""


def make(cursor: Cursor, levels: Levels, thresholds: Thresholds, span: Span, names: Sequence[str]) -> None:
    """Make the tables *names* for a span, for this cursor alone."""
    steps = Steps(cursor, levels, span)
    steps.do(
        f"""
        create or replace temp table span as
        select {span.since_ns / SECOND}::DOUBLE as since, {span.until_ns / SECOND}::DOUBLE as until,
               {span.step_ns / SECOND}::DOUBLE as step
        """
    )
    makers: Mapping[str, Callable[[Steps], None]] = {
        "cells": view_requests.cells,
        "spread": view_requests.spread,
        "tail": view_requests.tail,
        "events": partial(view_events.events, thresholds=thresholds),
        "device_time": view_devices.device_time,
        "prices": view_devices.prices,
    }
    for name in TABLES:
        if name in names:
            makers[name](steps)


def named_in(statements: Sequence[str]) -> list[str]:
    """Which of the tables statements read, and what those are made of."""
    found = {name for name in TABLES if any(re.search(rf"\b{name}\b", statement) for statement in statements)}
    return [name for name in TABLES if name in found | ({"spread"} if "tail" in found else set())]


def choices(cursor: Cursor) -> Iterator[tuple[str, str, str]]:
    """Service, model and version of everything that is recorded, for the page's menus; the busiest first."""
    sql = f"""
        with counted as (select labels, count(*) as n from requests where {COUNTED} group by all)
        select service, model, version from ({NAMED}) join counted on labels = id
        group by all order by sum(n) desc, service, model, version
    """  # noqa: S608 - constants
    yield from rows(cursor, sql)
