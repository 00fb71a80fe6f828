"""A backtest on a terminal of 80 columns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from rich.text import Text

from inferometer.fleet import durations
from inferometer.fleet.slos import Slo
from inferometer_compose.backtest.advice import Advice
from inferometer_compose.backtest.counts import DAY, LEAST_DAYS, MINUTE, Counts
from inferometer_compose.backtest.incident import Incident, counts_against
from inferometer_compose.backtest.judgement import Judged, Told
from inferometer_compose.backtest.replay import Hit, Page
from inferometer_compose.screens.columns import Column, plain, table
from inferometer_compose.screens.slo import time
from inferometer_compose.screens.units import UNKNOWN, percent
from inferometer_compose.screens.wrapped import wrapped

_MOST_PAGES: Final = 12
"""Pages that are shown one by one, the newest of them; --json has all."""
_WHOLE_WATCH: Final = 0.9995
_SECOND: Final = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a backtest of one SLO found."""

    slo: Slo
    source: str
    """Where the minutes come from, in words."""
    counts: Counts
    rows: tuple[Judged, ...]
    """Of all targets, the most tolerant first."""
    advice: Advice
    incident: Incident | None

    @property
    def own(self) -> Judged:
        """Of the target that fleet.yaml promises."""
        return next(row for row in self.rows if row.target == self.slo.objective.target)


def lines(report: Report, width: int) -> Iterator[Text]:
    """The report, from what was read to what may be promised, in lines of at most *width* cells."""
    for line in _lines(report, width):
        yield from wrapped(line, width)


def _lines(report: Report, width: int) -> Iterator[Text]:
    spec = report.slo.objective
    yield Text(f"{plain(report.slo.name)}: {_plain(spec.target)} over {durations.render(spec.window_ns)}", "bold")
    yield from _read(report)
    yield Text()
    yield from _targets(report, width)
    yield from _pages(report.own, width)
    if report.incident is not None:
        yield from _incident(report, report.incident, width)
    yield Text()
    yield from _advice(report)


def _read(report: Report) -> Iterator[Text]:
    counts = report.counts
    watched = "" if counts.watched > _WHOLE_WATCH else f", {percent(counts.watched, digits=1)} of it watched"
    coarse = "" if counts.resolution == MINUTE else f", counted every {time(counts.resolution)}"
    yield Text(f"  read     {report.source}")
    yield Text(
        f"  time     {_moment(counts.begin)} to {_moment(counts.end)} UTC: {_length(counts.seconds)}{watched}{coarse}"
    )
    ratio = counts.total_bad / counts.total if counts.total else None
    yield Text(
        f"  counted  {counts.total:,.0f} ({_hourly(counts.per_hour)} an hour), {counts.total_bad:,.0f} bad: "
        f"{percent(ratio, digits=3)}"
    )


def _hourly(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.1f}"  # noqa: PLR2004 - two digits


def _length(seconds: int) -> str:
    return f"{seconds / DAY:.1f} days" if seconds >= 2 * DAY else time(seconds)


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def _targets(report: Report, width: int) -> Iterator[Text]:
    rows, counts = report.rows, report.counts
    columns = [_names(report), Column("budget used", [percent(row.budget_used) for row in rows])]
    for title, told in (("pages", [row.ours for row in rows]), ("classic: pages", [row.classic for row in rows])):
        if counts.tell_a_month:
            columns.append(Column(title, [_rate(one.per_month) for one in told]))
            columns.append(Column("for nothing", [_rate(one.for_nothing) for one in told]))
        else:
            columns.append(Column(title, [f"{len(one.pages)}" for one in told]))
    made, _ = table(columns, width)
    yield from made
    read = f"the {_length(counts.seconds)} that were read"
    if counts.tell_a_month:
        yield Text(f"  Pages in 30 days, as in {read}.")
        yield Text("  For nothing: what chance makes while half of the budget is used.")
    else:
        yield Text(f"  Pages of {read}; how many 30 days would have takes {LEAST_DAYS} days to tell.")
    if counts.seconds * _SECOND < report.slo.objective.window_ns:
        period = durations.render(report.slo.objective.window_ns)
        yield Text(f"  Budget used: of what this time may use, as if all {period} went like it.")
    yield Text("  Classic: the windows of Google's SRE workbook, as Sloth generates them.")


def _names(report: Report) -> Column:
    return Column("target", [_target(row.target, report) for row in report.rows], figure=False)


def _target(target: Decimal, report: Report) -> str:
    marked = "*" if target == report.slo.objective.target else " "
    return f"{marked} {_plain(target)}"


def _plain(target: Decimal) -> str:
    return f"{target.normalize():f} %"


def _rate(number: float | None) -> str:
    if number is None:
        return UNKNOWN
    return "0" if not number else f"{number:.1f}" if number >= 0.05 else "< 0.1"  # noqa: PLR2004 - one digit


def _pages(own: Judged, width: int) -> Iterator[Text]:
    found = own.ours.pages
    if not found:
        return
    yield Text()
    shown: Sequence[Page] = found[-_MOST_PAGES:]
    left = f", the last {len(shown)} of {len(found)}" if len(shown) < len(found) else ""
    yield Text(f"  Its pages{left}")
    made, _ = table(
        [
            Column("  began (UTC)", ["  " + _moment(page.began) for page in shown], figure=False),
            Column("page after", [time(page.seconds) for page in shown]),
            Column("budget then", [percent(page.budget_used, digits=1) for page in shown]),
            Column("until its end", [percent(page.budget_lost, digits=1) for page in shown]),
            Column("tier", [page.tier for page in shown], figure=False),
        ],
        width,
    )
    yield from made


def _incident(report: Report, incident: Incident, width: int) -> Iterator[Text]:
    yield Text()
    sli = report.slo.objective.sli
    if not counts_against(incident.kind, sli):
        yield Text(f"  {incident.text}: {sli.value} does not count that, so nobody would be woken by this SLO")
        return
    number = len(report.rows[0].ours.hits)
    when = f"at {_moment(report.rows[0].ours.hits[0].at)} UTC" if number == 1 else f"tried at {number} moments"
    yield Text(f"  {incident.text}, {when}")
    several = number > 1
    columns = [_names(report)]
    for title, told in (
        ("page after", [row.ours for row in report.rows]),
        ("classic", [row.classic for row in report.rows]),
    ):
        columns.append(Column(title, [_typical(one) for one in told]))
        if several:
            columns.append(Column("slowest", [_worst(one) for one in told], rank=2))
        columns.append(Column("budget", [_budget(one.typical) for one in told], rank=1))
    made, _ = table(columns, width)
    yield from made
    missed = [row for row in report.rows if 0 < row.ours.missed < number]
    for row in missed:
        yield Text(f"    at {_plain(row.target)} nobody would be woken at {row.ours.missed} of {number} moments")


def _typical(told: Told) -> str:
    return _after(told.typical)


def _worst(told: Told) -> str:
    return _after(told.worst)


def _after(hit: Hit | None) -> str:
    return UNKNOWN if hit is None else "never" if hit.seconds is None else time(hit.seconds)


def _budget(hit: Hit | None) -> str:
    return UNKNOWN if hit is None else percent(hit.budget_used, digits=1)


def _advice(report: Report) -> Iterator[Text]:
    advised = report.advice
    promised = report.slo.objective.target
    if advised.too_little:
        yield Text(f"  No advice: {advised.too_little}.")
        return
    days = _length(report.counts.seconds)
    if advised.target is None:
        yield Text(f"  These {days} support none of these targets.")
    elif advised.target == promised:
        yield Text(f"  These {days} support {_plain(promised)}, as it is promised.")
    elif advised.target > promised:
        yield Text(
            f"  These {days} support {_plain(advised.target)}: more than the {_plain(promised)} that is promised."
        )
    else:
        yield Text(
            f"  These {days} support {_plain(advised.target)} only, not the {_plain(promised)} that is promised."
        )
    row = next((row for row in report.rows if row.target == advised.target), None)
    if row is not None:
        yield Text(
            f"    {_plain(row.target)}: {percent(row.budget_used)} of its budget went; "
            f"{_rate(row.ours.per_month)} pages in 30 days, of which chance makes {_rate(row.ours.for_nothing)}"
        )
    for reason in advised.reasons:
        yield Text(f"    {reason}")
