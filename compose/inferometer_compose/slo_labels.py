"""What ate a budget by the labels of series, where no flight recorder is at hand."""

import math
import time
from typing import Final

import numpy as np

from inferometer import promql
from inferometer.catalog.labels import CLASS, REGION, RESULT, SLO, TENANT, VERSION
from inferometer.catalog.requests import SLO_EVENTS
from inferometer.fleet import durations
from inferometer_alerts.slo_rules import BAD, TILE
from inferometer_compose.prometheus_query import ranges
from inferometer_exporters.recorder.slo_causes_query import CausesAnswer, cause_answer
from inferometer_exporters.slo_causes import BLOCKS, causes

_TILE: Final = durations.parse(TILE) // 10**9
_GROUPED: Final = tuple(label for label in (VERSION, TENANT, CLASS, REGION) if label in SLO_EVENTS.labels)
_LABELS: Final = tuple(label.name for label in _GROUPED)


def causes_by_labels(slo: str, seconds: float, *, base: str, now: float | None = None) -> CausesAnswer:
    """What ate the budget of one SLO in so many seconds, by version, class, region: what the series carry.

    Args:
        slo: its name.
        seconds: how far back.
        base: address of the Prometheus server.
        now: seconds since the epoch.

    Raises:
        AnswerError: the server does not answer.
    """
    block = max(math.ceil(seconds / BLOCKS / _TILE) * _TILE, _TILE)
    end = int(time.time() if now is None else now) // block * block + block
    begin = end - math.ceil(seconds / block) * block
    window = durations.render(block * 10**9)
    each = promql.sum_by(promql.increase(promql.select(SLO_EVENTS, promql.equal(SLO, slo)), window), *_GROUPED, RESULT)
    dimensions: dict[str, list[str]] = {name: [] for name in _LABELS}
    blocks, events, bad = list[int](), list[float](), list[float]()
    for part in ranges(base, each, begin=begin + block, end=end, step=block):
        for stretch in part:
            failed = stretch.labels.get(RESULT.name) == BAD
            for at, value in zip(stretch.times, stretch.values, strict=True):
                for name in _LABELS:
                    dimensions[name].append(stretch.labels.get(name, ""))
                blocks.append(int(at) // block)
                events.append(value)
                bad.append(value if failed else 0.0)
    found = causes(dimensions, blocks, np.array(events), np.array(bad))
    all_bad = float(sum(bad))
    return {
        "slo": slo,
        "begin_seconds": (min(blocks) - 1) * block if blocks else None,
        "end_seconds": max(blocks) * block if blocks else None,
        "events": float(sum(events)),
        "bad": all_bad,
        "tested": found.tested,
        "causes": [cause_answer(cause, all_bad) for cause in found.causes],
        "requests_since_seconds": None,
        "outcomes": {},
        "stages": {},
    }
