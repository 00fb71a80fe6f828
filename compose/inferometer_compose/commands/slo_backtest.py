"""``inferometer slo backtest``: what the alerts of an objective would have done, and what may be promised."""

import json as json_module
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inferometer.errors import InferometerError
from inferometer.fleet import loader
from inferometer.fleet.model import Fleet
from inferometer.fleet.slos import Slo, slos
from inferometer.fleet.summary import thresholds
from inferometer_compose.backtest.advice import advice
from inferometer_compose.backtest.counts import DAY, MINUTE, Counts
from inferometer_compose.backtest.incident import Incident, parse
from inferometer_compose.backtest.judgement import Judged, Told, judged
from inferometer_compose.backtest.sources import file, prometheus, recorder
from inferometer_compose.commands.console import screen
from inferometer_compose.commands.errors import say
from inferometer_compose.screens.backtest import Report, lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line said."""

    name: str
    config: Path
    since_seconds: float
    inject: str
    prometheus: str
    file: Path | None
    recorder: Path | None
    api: str
    json: bool


def run(options: Options, *, now: Callable[[], float] = time.time) -> int:
    """Print what the history of each chosen SLO says; the exit status.

    Raises:
        FleetError: the fleet file is wrong.
        InferometerError: there is no such SLO, nothing to read from, or nothing is recorded; or options contradict.
    """
    _check(options)
    moment = int(now())
    incident = parse(options.inject, now=moment) if options.inject else None
    fleet = loader.load(options.config)
    reports = list(_reports(chosen(fleet, options.name, options.config), fleet, options, incident, moment))
    if not reports:
        raise InferometerError("of none of them there is a history to read")
    if options.json:
        sys.stdout.write(json_module.dumps({"slos": [document(report) for report in reports]}, indent=2) + "\n")
        return 0
    out = screen()
    for number, report in enumerate(reports):
        if number:
            out.print()
        for line in lines(report, out.width):
            out.print(line)
    return 0


def _check(options: Options) -> None:
    named = {"--prometheus": options.prometheus, "--file": options.file, "--recorder": options.recorder}
    given = [name for name, value in named.items() if value]
    if len(given) > 1:
        raise InferometerError(f"{' and '.join(given)} are both named: one history is read at a time")
    if not MINUTE <= options.since_seconds <= file.MOST_DAYS * DAY:
        raise InferometerError(f"--since must be from 1m to {file.MOST_DAYS}d")


def chosen(fleet: Fleet, name: str, config: Path) -> list[Slo]:
    """The SLOs that a name stands for: of one, of an objective or a service; empty for all.

    Raises:
        InferometerError: there is none of that name.
    """
    every = list(slos(fleet))
    found = [slo for slo in every if name in {"", slo.name, slo.objective.name, slo.service}]
    if not found:
        known = ", ".join(sorted({slo.name for slo in every})) or "none"
        raise InferometerError(f"{config} has no SLO, objective or service {name!r}; there are the SLOs {known}")
    return found


def _reports(
    wanted: list[Slo], fleet: Fleet, options: Options, incident: Incident | None, now: int
) -> Iterator[Report]:
    for slo in wanted:
        try:
            counts, source = _read(slo, fleet, options, now)
            _check_moment(incident, counts)
        except InferometerError as error:
            # Of several some may have had no request yet; who asked for one wants to know. A file that is wrong is so
            # for all of them.
            if len(wanted) == 1 or (isinstance(error, file.FileError) and not isinstance(error, file.NotInFileError)):
                raise
            say(f"{slo.name}: {error}")
            continue
        rows = tuple(judged(counts, slo.objective, incident))
        yield Report(slo=slo, source=source, counts=counts, rows=rows, advice=advice(counts, rows), incident=incident)


def _read(slo: Slo, fleet: Fleet, options: Options, now: int) -> tuple[Counts, str]:
    if options.file is not None:
        found = file.minutes(options.file, slo.name)
        return _last(found, options.since_seconds), f"file {options.file}"
    if options.prometheus:
        begin = now - round(options.since_seconds)
        return prometheus.minutes(
            slo, base=options.prometheus, begin=begin, end=now
        ), f"Prometheus {options.prometheus}"
    objective = next((one for one in thresholds(fleet).objectives if one.slo == slo.name), None)
    if objective is None:
        raise InferometerError(f"the flight recorder cannot tell {slo.objective.sli.value}: name a --prometheus")
    found = recorder.minutes(objective, options.since_seconds, api=options.api, recorder=options.recorder)
    return found, f"flight recorder {options.recorder or options.api}"


def _last(counts: Counts, seconds: float) -> Counts:
    return counts.part(counts.minutes - round(seconds / MINUTE), counts.minutes)


def _check_moment(incident: Incident | None, counts: Counts) -> None:
    if incident is not None and incident.at is not None and not counts.begin <= incident.at < counts.end:
        raise InferometerError(
            "the incident lies outside of what is recorded: leave `at` out, or ask for more with --since"
        )


def document(report: Report) -> dict[str, Any]:
    """What ``--json`` prints of one SLO."""
    counts, spec = report.counts, report.slo.objective
    return {
        "slo": report.slo.name,
        "service": report.slo.service,
        "model": report.slo.model,
        "objective": spec.name,
        "sli": spec.sli.value,
        "target_ratio": float(spec.target / 100),
        "period_seconds": spec.window_ns / 1e9,
        "source": report.source,
        "begin_seconds": counts.begin,
        "end_seconds": counts.end,
        "watched_ratio": counts.watched,
        "resolution_seconds": counts.resolution,
        "events": counts.total,
        "bad_events": counts.total_bad,
        "incident": None if report.incident is None else asdict(report.incident) | {"kind": report.incident.kind.value},
        "targets": [_target(row) for row in report.rows],
        "advice": {
            "target_ratio": None if report.advice.target is None else float(report.advice.target / 100),
            "too_little": report.advice.too_little or None,
            "reasons": list(report.advice.reasons),
        },
    }


def _target(row: Judged) -> dict[str, Any]:
    return {
        "target_ratio": float(row.target / 100),
        "bad_events_allowed": row.allowed,
        "budget_used_ratio": row.budget_used,
        "ours": _told(row.ours),
        "classic": _told(row.classic),
    }


def _told(told: Told) -> dict[str, Any]:
    return {
        "pages_per_30_days": told.per_month,
        "pages_for_nothing_per_30_days": told.for_nothing,
        "pages": [
            {
                "slo_tier": page.tier,
                "began_seconds": page.began,
                "page_seconds": page.at,
                "ended_seconds": page.ended,
                "page_after_seconds": page.seconds,
                "budget_used_ratio": page.budget_used,
                "budget_lost_ratio": page.budget_lost,
            }
            for page in told.pages
        ],
        "incident": [
            {"at_seconds": hit.at, "page_after_seconds": hit.seconds, "budget_used_ratio": hit.budget_used}
            for hit in told.hits
        ],
    }
