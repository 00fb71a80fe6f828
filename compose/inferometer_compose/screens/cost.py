"""What requests cost: a row per group, and where the devices' bill went."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from rich.text import Text

from inferometer.fleet.price_book import BUILTIN
from inferometer_compose.screens.columns import Column, plain, table
from inferometer_compose.screens.money import amount, parts, places
from inferometer_compose.screens.units import UNKNOWN, dollars, percent
from inferometer_exporters.ledger.account import State
from inferometer_exporters.recorder.cost_answers import CostReport, DeviceCost, GroupCost, TotalCost, WindowAnswer
from inferometer_exporters.recorder.cost_report import ENTRIES

_NAMED: Final = 5
IDLE_STATES: Final = {
    State.WARM_IDLE: "a server was there, and no request",
    State.LOADING: "a model was loaded",
    State.UNALLOCATED: "no server was there",
    State.UNOBSERVED: "nobody watched: the sidecar was down",
}


def cost(report: CostReport, width: int) -> list[Text]:
    """The screen of ``inferometer cost``."""
    used = [group for group in report["groups"] if group["device_seconds"]]
    lines = [heading("What requests cost", report["window"]), *_prices(report["devices"]), Text()]
    lines += [*_groups(report, used, width), *_without(report), Text(), *_bill(report, width)]
    return lines


def heading(title: str, window: WindowAnswer) -> Text:
    """A title with the stretch of time that figures are of."""
    begin, end = (datetime.fromtimestamp(window[name], UTC) for name in ("begin_seconds", "end_seconds"))
    seconds = window["end_seconds"] - window["begin_seconds"]
    until = end.strftime("%H:%M:%S" if begin.date() == end.date() else "%Y-%m-%d %H:%M:%S")
    text = Text(title, "bold")
    text.append(f"   {begin:%Y-%m-%d %H:%M:%S} to {until} UTC ({span(seconds)})", "not bold")
    if not window["whole"]:
        text.append(", all that is recorded", "not bold")
    return text


def span(seconds: float) -> str:
    """``8.3 s``, ``14 min``, ``23.5 h``."""
    if seconds < 120:  # noqa: PLR2004 - two minutes
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"  # noqa: PLR2004 - two hours


def _prices(devices: Sequence[DeviceCost]) -> Iterator[Text]:
    yield from map(_price, devices)
    if any(device["price_source"].startswith(BUILTIN) for device in devices):
        text = f"  {BUILTIN}: a list price that nobody chose; say what you pay in fleet.yaml (docs/prices.md)"
        yield Text(text, "dim")


def _price(device: DeviceCost) -> Text:
    name = plain(device["device"])
    if device["usd_per_hour"] is None:
        return Text(f"  {name}   no price in fleet.yaml: on no bill that we know of", "yellow")
    kind = device["price_kind"].replace("_", " ")
    return Text(f"  {name}   ${device['usd_per_hour']:.2f}/h, {kind}, {device['price_source']} {device['price_as_of']}")


def _groups(report: CostReport, used: Sequence[GroupCost], width: int) -> Iterator[Text]:
    total, unused = report["total"], report["total"]["unused_usd"] or 0.0
    ends = [*(["used by no request"] if unused else []), "total"]

    def column(title: str, cells: Sequence[str], last: str, rank: int) -> Column:
        return Column(title, [*cells, *[""] * (len(ends) - 1), last], rank)

    def each(title: str, rank: int, show: Callable[[GroupCost], str], last: str) -> Column:
        return column(title, [show(group) for group in used], last, rank)

    decimals = places(total["requests_usd"], total["bill_usd"])
    costs = parts([group["cost_usd"] for group in used], total["requests_usd"], decimals)
    loaded = [*(group["loaded_usd"] for group in used), *([unused] if unused else [])]
    wholes = parts(loaded, total["bill_usd"], decimals)
    seconds = sum(group["device_seconds"] for group in used)
    columns = [
        Column(name, [plain(group["keys"][name]) or UNKNOWN for group in used] + (ends if not i else [""] * len(ends)),
               figure=False)
        for i, name in enumerate(report["by"])
    ]  # fmt: skip
    columns += [
        each("requests", 0, lambda group: f"{group['requests']:,}", f"{total['requests']:,}"),
        column("marginal", costs, amount(total["requests_usd"], decimals), 0),
        Column("fully loaded", [*wholes, amount(total["bill_usd"], decimals)]),
        each("per 1k", 1, lambda group: dollars(group["per_1k_usd"]), dollars(total["per_1k_usd"])),
        each("loaded per 1k", 5, lambda g: dollars(g["loaded_per_1k_usd"]), dollars(total["loaded_per_1k_usd"])),
        *(each(title, 4, show, "") for title, show in _PER_TOKENS.items() if any(show(g) != UNKNOWN for g in used)),
        each("wasted", 2, lambda group: percent(group["wasted_ratio"]), percent(total["wasted_ratio"])),
        each("idle", 3, lambda group: percent(group["idle_ratio"]), percent(_unused(total))),
        each("device s", 6, lambda group: f"{group['device_seconds']:,.2f}", f"{seconds:,.2f}"),
    ]
    if any(group["joules"] is not None for group in used):
        columns.append(each("joules", 6, lambda group: _joules(group["joules"]), _joules(total["joules"])))
    if total["methods"]:
        columns.append(each("method", 7, lambda group: "+".join(group["methods"]) or UNKNOWN, ""))
    lines, left_out = table(columns, width)
    lines[-1].stylize("bold")
    yield from lines
    if left_out:
        yield Text(f"  no room for {', '.join(reversed(left_out))}: a wider terminal and --json have them", "dim")


def _unused(total: TotalCost) -> float | None:
    """Part of the bill that is not marginal cost, as in the rows above it."""
    bill, requests = total["bill_usd"], total["requests_usd"]
    return 1 - requests / bill if bill and requests is not None else None


_PER_TOKENS: Final[dict[str, Callable[[GroupCost], str]]] = {
    "1M tokens": lambda group: dollars(group["per_1m_tokens_usd"]),
    "1M tokens in": lambda group: dollars(group["per_1m_input_tokens_usd"]),
    "1M tokens out": lambda group: dollars(group["per_1m_output_tokens_usd"]),
}


def _joules(joules: float | None) -> str:
    return UNKNOWN if joules is None else f"{joules:,.1f}"


def _without(report: CostReport) -> Iterator[Text]:
    """Groups that used no device."""
    idle = [group for group in report["groups"] if not group["device_seconds"]]
    names = [" ".join(filter(None, map(plain, group["keys"].values()))) or UNKNOWN for group in idle]
    if names:
        shown = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
        yield Text(f"  used no device: {shown}", "dim")
    whose = "requests are" if report["counted"] == ENTRIES else "the total's requests are"
    yield Text(f"  {whose} those that entered the fleet, whatever they called inside it", "dim")


def _bill(report: CostReport, width: int) -> Iterator[Text]:
    """Where the bill went: parts that sum to it."""
    total, bill = report["total"], report["total"]["bill_usd"]
    if bill is None:
        yield Text("Where the bill went: no device has a price, so there is none", "bold")
        return
    idle = {state: sum(device["states"][state]["usd"] or 0.0 for device in report["devices"]) for state in IDLE_STATES}
    named = [
        ("requests", total["requests_usd"], ""),
        ("warm-up", total["warmup_usd"], "requests before a model was ready"),
        ("across the edges", total["carried_usd"], "requests that run on, less what those that ended had used before"),
        ("system", total["system_usd"], "runs of a model for no request"),
        *((f"idle, {state.replace('_', ' ')}", idle[state], text) for state, text in IDLE_STATES.items()),
    ]
    decimals = places(total["requests_usd"], bill)
    first, *rest = named
    shown = [(name, usd, text) for name, usd, text in rest if round(usd or 0.0, decimals)]
    # What requests cost stands in the table above as well: the same figure, so the other parts take the rounding.
    spent = round(first[1] or 0.0, decimals)
    others = parts([usd for _, usd, _ in shown], round(bill, decimals) - spent, decimals)
    columns = [
        Column("Where the bill went", [first[0], *(name for name, _, _ in shown), "the bill"], figure=False),
        Column("", [amount(spent, decimals), *others, amount(bill, decimals)]),
        Column("", [*(percent((usd or 0.0) / bill if bill else None) for _, usd, _ in [first, *shown]), ""]),
        Column("", ["", *(text for _, _, text in shown), ""], rank=1, figure=False),
    ]
    lines, _ = table(columns, width, indent="")
    lines[-1].stylize("bold")
    yield from lines
    yield _proof(report)
    if total["unpriced_devices"]:
        names = ", ".join(plain(device) for device in total["unpriced_devices"])
        yield Text(f"not in it: {total['unpriced_seconds']:,.0f} s of {names}, which have no price", "yellow")


def _proof(report: CostReport) -> Text:
    residual = sum(device["residual_seconds"] for device in report["devices"])
    if residual or report["total"]["residual_usd"]:
        missing = f"{residual:g} s and ${report['total']['residual_usd']:g}"
        return Text(f"it does not add up: {missing} are missing", "bold red")
    return Text("it adds up: nothing is missing, nothing is counted twice", "green")
