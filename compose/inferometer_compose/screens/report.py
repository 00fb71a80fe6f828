"""The one screen after a run: where the time goes, the objectives, the cost, the slowest request."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.text import Text

from inferometer_compose.screens import waterfall
from inferometer_compose.screens.figures import (
    AlertStory,
    Device,
    Figures,
    HeldBack,
    ModelCost,
    ModelTimes,
    Objective,
)
from inferometer_compose.screens.report_lines import NAME, fitted, row
from inferometer_compose.screens.units import UNKNOWN, clock, dollars, duration, percent

_NAME_OF_TIMES = 36
"""Narrower: what the tail is spent in needs the room."""
_NAME_OF_COSTS = 34
_COSTS = "What it costs"
_MOST_OBJECTIVES = 6
_OTHER_TENANTS = ("other", "")
_NO_TIER = "cause"
"""The tier of what is no burn rate."""


def report(figures: Figures, *, width: int) -> list[Text]:
    """The report for a terminal of that many columns."""
    times, costs = _times(figures.times, width), _costs(figures, width)
    tables = [*times, Text(), *_objectives(figures), Text(), *costs, Text()]
    broken = [part for line in tables for part in fitted(line, width)]
    return [*broken, *_slowest(figures, width), *fitted(_kept(figures), width)]


@dataclass(frozen=True, slots=True)
class _Shape:
    """How much of the table of times is shown: the wider the terminal, the more."""

    cell: int
    percentiles: int
    stages: int
    callee: bool = True


_SHAPES: Final = (
    _Shape(9, 4, 2),
    _Shape(9, 4, 1),
    _Shape(8, 3, 1),
    _Shape(8, 3, 1, callee=False),
    _Shape(8, 3, 0),
)
_TAIL: Final = "tail is spent in"
_PERCENTILES: Final = ("p50", "p95", "p99", "p99.9")


def _times(times: Sequence[ModelTimes], width: int) -> list[Text]:
    """The most that stands on one line for each model; where not even the least does, lines are broken later."""
    shown = (list(_times_as(times, shape)) for shape in _SHAPES)
    lines, shape = next(
        ((lines, shape) for lines, shape in zip(shown, _SHAPES, strict=True) if max(map(len, lines)) <= width),
        (list(_times_as(times, _SHAPES[-1])), _SHAPES[-1]),
    )
    if missing := [*_PERCENTILES[shape.percentiles :], *([] if shape.stages else [_TAIL])]:
        lines.append(Text(f"  {width} columns have no room for {', '.join(missing)}", "dim"))
    return lines


def _times_as(times: Sequence[ModelTimes], shape: _Shape) -> Iterator[Text]:
    titles = [(title, shape.cell) for title in _PERCENTILES[: shape.percentiles]]
    yield row("Where the time goes", titles, _TAIL * bool(shape.stages), style="bold", name_width=_NAME_OF_TIMES)
    for model in times:
        name = "  ".join(filter(None, (f"  {model.service}", model.model, model.version)))
        name += "  (first result)" if model.first_chunk else ""
        figures = (model.p50_seconds, model.p95_seconds, model.p99_seconds, model.p999_seconds)[: shape.percentiles]
        most = "≤ " if model.by_buckets else ""
        cells = [(f"{most if figure is not None else ''}{duration(figure)}", shape.cell) for figure in figures]
        rest = "by its own page" if model.by_buckets and shape.stages else _tail(model, shape)
        yield row(name, cells, rest, name_width=_NAME_OF_TIMES)


def _tail(model: ModelTimes, shape: _Shape) -> str:
    parts = []
    for share in model.tail[: shape.stages]:
        stage = f"{share.stage}/{share.kind}" if share.kind and share.stage == "queue" else share.stage
        callee = f" ({model.callee})" if share.stage == "remote" and model.callee and shape.callee else ""
        parts.append(f"{stage} {percent(share.share)}{callee}")
    return "   ".join(parts)


def _objectives(figures: Figures) -> Iterator[Text]:
    titles = [("target", 9), ("now", 9), ("budget left", 13)]
    alerts = f"alerts {figures.alerts_missing}" if figures.alerts_missing else "alerts"
    stories = {objective.slo: [a for a in figures.alerts if a.slo == objective.slo] for objective in figures.objectives}
    troubled = [o for o in figures.objectives if o.bad or stories[o.slo]]
    troubled.sort(key=lambda objective: -(objective.spent_ratio or 0.0))
    shown = troubled[:_MOST_OBJECTIVES]
    name_width = max([NAME, *(len(_promise(objective)) for objective in shown)])
    yield row("Inside the objective?", titles, alerts, style="bold", name_width=name_width)
    for objective in shown:
        yield _objective(objective, _stories(stories[objective.slo]), name_width)
    if more := len(troubled[_MOST_OBJECTIVES:]):
        yield Text(f"  {more} more with bad requests, less far from their target", "dim")
    if quiet := len(figures.objectives) - len(troubled):
        other = "other " if troubled else ""
        yield Text(f"  {quiet} {other}objective{'s' if quiet > 1 else ''}: no bad request", "dim")
    known = {objective.slo for objective in figures.objectives}
    yield from _others([alert for alert in figures.alerts if alert.slo not in known])
    yield from _held_back(figures.held_back)


def _others(alerts: Iterable[AlertStory]) -> Iterator[Text]:
    """Alerts that belong to no objective: one line for all times that one fired for the same thing."""
    of: dict[tuple[str, str], list[AlertStory]] = {}
    for alert in alerts:
        of.setdefault((alert.about, alert.name), []).append(alert)
    for (about, name), told in sorted(of.items(), key=lambda one: min(alert.fired_at for alert in one[1])):
        yield Text(f"  {about}{': ' if about else ''}{name}, {_stories(told)}", "yellow")


def _held_back(alerts: Sequence[HeldBack]) -> Iterator[Text]:
    """Alerts that nobody was told of, by what held them back."""
    causes = dict.fromkeys(alert.cause for alert in alerts)
    for cause in causes:
        held = [alert for alert in alerts if alert.cause == cause]
        names = dict.fromkeys(alert.name for alert in held)
        parts = ", ".join(_held(name, [alert for alert in held if alert.name == name]) for name in names)
        why = f"while {cause} said so already" if cause else "while another one said so already"
        yield Text(f"  held back: {parts}, {why}", "dim")


def _held(name: str, alerts: Sequence[HeldBack]) -> str:
    tiers = ", ".join(dict.fromkeys(alert.tier for alert in alerts if alert.tier and alert.tier != _NO_TIER))
    about = dict.fromkeys(alert.about for alert in alerts)
    whose = next(iter(about)) if len(about) == 1 else f"{len(about)} models"
    return f"{name}{f' ({tiers})' if tiers else ''}{f' of {whose}' if whose else ''}"


def _promise(objective: Objective) -> str:
    limit = f" (≤ {duration(objective.threshold_seconds)})" if objective.threshold_seconds is not None else ""
    return f"  {objective.service}  {objective.model}  {objective.name}{limit}"


def _objective(objective: Objective, alerts: str, name_width: int) -> Text:
    spent = objective.spent_ratio
    left = None if spent is None else max(0.0, 1 - spent)
    columns = [
        (percent(objective.target_ratio, digits=1).replace(".0 %", " %"), 9),
        (percent(objective.now_ratio, digits=2), 9),
        (percent(left), 13),
    ]
    line = row(_promise(objective), columns, alerts, name_width=name_width)
    line.stylize("red" if spent is not None and spent > 1 else "")
    return line


def _stories(alerts: Sequence[AlertStory]) -> str:
    """What was told of an objective: one story per severity, however many pairs of windows told it."""
    if not alerts:
        return UNKNOWN
    by_severity: dict[str, list[AlertStory]] = {}
    for alert in sorted(alerts, key=lambda alert: alert.fired_at):
        by_severity.setdefault(alert.severity, []).append(alert)
    return "; ".join(_story(severity, told) for severity, told in by_severity.items())


def _story(severity: str, told: Sequence[AlertStory]) -> str:
    """From the first time it fired to how it stands; of each pair of windows the last time counts for that."""
    fired, received = min(alert.fired_at for alert in told), min(alert.received_at for alert in told)
    start = f"{severity} at {clock(fired)}, received {clock(received)}"
    last = {alert.tier: alert.resolved_at for alert in told}
    firing = [tier for tier, resolved_at in last.items() if resolved_at is None]
    if not firing:
        return f"{start}, resolved {clock(max(ended for ended in last.values() if ended is not None))}"
    if len(firing) == len(last):
        return f"{start}, still firing"
    return f"{start}, {' and '.join(firing)} leg{'s' if len(firing) > 1 else ''} still firing"


def _costs(figures: Figures, width: int) -> list[Text]:
    """The table, of as many tenants as there is room for."""
    tenants = _tenant_columns(figures.costs)
    named = max([len(_COSTS), *(len(_whose(model)) for model in figures.costs)])
    shown = [_costs_as(figures, tenants, name_width=max(_NAME_OF_COSTS, named), cell=14)]
    shown += [_costs_as(figures, tenants[:many], name_width=named, cell=10) for many in range(len(tenants), -1, -1)]
    lines = next((lines for lines in shown if max(map(len, lines)) <= width), shown[-1])
    if missing := [tenant for tenant in tenants if tenant not in lines[0].plain.split()]:
        lines.append(Text(f"  {width} columns have no room for {', '.join(missing)}", "dim"))
    return [*lines, *map(_device, figures.devices)]


def _costs_as(figures: Figures, tenants: Sequence[str], *, name_width: int, cell: int) -> list[Text]:
    titles = [("per 1k requests", 17), ("share", 8)]
    named = [name if index else f"tenant {name}" for index, name in enumerate(tenants)]
    titles += [(name, max(cell, len(name) + 2)) for name in named]
    lines = [row(_COSTS, titles, style="bold", name_width=name_width)]
    whole = sum(model.total.usd for model in figures.costs)
    for model in sorted(figures.costs, key=lambda model: -model.total.usd):
        of = [model.total, *(model.tenants.get(tenant) for tenant in tenants)]
        usd, *rest = (dollars(one.per_thousand_usd if one else None) for one in of)
        texts = [usd, percent(model.total.usd / whole if whole else None), *rest]
        cells = [(text, wide) for text, (_, wide) in zip(texts, titles, strict=True)]
        lines.append(row(_whose(model), cells, name_width=name_width))
    return lines


def _whose(model: ModelCost) -> str:
    return f"  {model.service}  {model.model}"


def _device(device: Device) -> Text:
    if device.usd_per_hour is None or device.bill_usd is None or device.idle_usd is None:
        return Text(f"  {device.device} has no price in fleet.yaml: its requests are unpriced", "yellow")
    kind = device.price_kind.replace("_", " ")
    price = f"${device.usd_per_hour:.2f}/h, {kind}, {device.price_source} {device.price_as_of}"
    share = percent(device.idle_usd / device.bill_usd) if device.bill_usd else UNKNOWN
    bill = f"{dollars(device.idle_usd)} of {dollars(device.bill_usd)}"
    return Text(f"  idle {share} of the bill of {device.device} ({price}): {bill}")


def _tenant_columns(costs: Sequence[ModelCost]) -> list[str]:
    names = {tenant for model in costs for tenant in model.tenants}
    return sorted(names - set(_OTHER_TENANTS)) + [name for name in _OTHER_TENANTS if name and name in names]


def _slowest(figures: Figures, width: int) -> Iterator[Text]:
    if figures.slowest is None:
        yield Text("The slowest request: none was recorded", "bold")
    else:
        yield from fitted(waterfall.heading(figures.slowest, "The slowest request"), width)
        yield from (Text("  ").append_text(row) for row in waterfall.lines(figures.slowest, width=width - 2))
    yield Text()


def _kept(figures: Figures) -> Text:
    text = f"Kept: recorder {figures.recorded_requests:,} requests of all services"
    if figures.exported_to:
        text += f"   ·   {figures.exported_to} {figures.kept_traces:,} traces"
    return Text(text, "dim")
