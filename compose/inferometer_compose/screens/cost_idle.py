"""Idle devices: what they cost, when, for how long, and what stopping them would save."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from rich.text import Text

from inferometer_compose.screens.columns import plain
from inferometer_compose.screens.cost import IDLE_STATES, heading, span
from inferometer_compose.screens.money import amount, places
from inferometer_compose.screens.units import dollars, percent
from inferometer_compose.screens.wrapped import wrapped
from inferometer_exporters.recorder.idle_answers import DeviceIdle, HourOfDay, IdleReport, ScaleToZero

_BARS: Final = "▁▂▃▄▅▆▇█"
_NO_HOUR: Final = "·"
_MOST_MODELS: Final = 5


def idle(report: IdleReport, width: int) -> list[Text]:
    """The screen of ``inferometer cost idle``."""
    lines = [heading("What idle devices cost", report["window"])]
    for device in report["devices"]:
        lines += [Text(), *(part for line in _device(device) for part in wrapped(line, width))]
    if len(report["devices"]) > 1 and report["bill_usd"]:
        idle_usd, decimals = report["idle_usd"] or 0.0, places(report["bill_usd"])
        share = percent(idle_usd / report["bill_usd"])
        whole = f"{amount(idle_usd, decimals)} of {amount(report['bill_usd'], decimals)}"
        lines += [Text(), Text(f"all devices   idle {share} of the bill: {whole}", "bold")]
    return lines


def _device(device: DeviceIdle) -> Iterator[Text]:
    name = plain(device["device"])
    title = Text(f"{name}   idle {percent(device['idle_ratio'])} of {span(device['seconds'])}", "bold")
    if device["bill_usd"] is None or device["idle_usd"] is None:
        title.append("   it has no price in fleet.yaml: what that costs is unknown", "yellow")
    else:
        decimals = places(device["bill_usd"])
        title.append(f": {amount(device['idle_usd'], decimals)} of {amount(device['bill_usd'], decimals)}")
        if device["per_month_usd"] is not None:
            title.append(f", {amount(device['per_month_usd'], 2)} a month at this rate")
    yield title
    for state, text in IDLE_STATES.items():
        cost = device["states"][state]
        if cost["seconds"]:
            usd = "" if cost["usd"] is None else f"   {dollars(cost['usd'])}"
            yield Text(f"  {state.replace('_', ' '):<12}{span(cost['seconds']):>9}{usd}   {text}")
    yield Text(f"  by hour (UTC)  {_pattern(device['hours'])}   0-23; high is idle, {_NO_HOUR} is not recorded")
    yield from _gaps(device)
    yield from _models(device)
    yield _saving(device["scale_to_zero"], device)


def _pattern(hours: Sequence[HourOfDay]) -> str:
    """One bar per hour of the day."""
    return "".join(
        _NO_HOUR if hour["idle_ratio"] is None else _BARS[min(int(hour["idle_ratio"] * len(_BARS)), len(_BARS) - 1)]
        for hour in hours
    )


def _gaps(device: DeviceIdle) -> Iterator[Text]:
    if not device["longest"]:
        yield Text("  no gap of a second or longer")
        return
    gaps = "; ".join(
        f"{span(gap['seconds'])} from {datetime.fromtimestamp(gap['begin_seconds'], UTC):%Y-%m-%d %H:%M:%S}"
        f" ({gap['state'].replace('_', ' ')})"
        for gap in device["longest"]
    )
    yield Text(f"  {device['gaps']:,} gap{'s' if device['gaps'] > 1 else ''}, the longest: {gaps}")


def _models(device: DeviceIdle) -> Iterator[Text]:
    models = device["models"]
    if not models:
        yield Text("  no model ran on it")
        return
    shown = [plain(" ".join(filter(None, (m["service"], m["model"], m["version"])))) for m in models[:_MOST_MODELS]]
    more = f" and {len(models) - _MOST_MODELS} more" if len(models) > _MOST_MODELS else ""
    yield Text(f"  models that ran on it: {', '.join(shown)}{more}")


def _saving(stop: ScaleToZero, device: DeviceIdle) -> Text:
    cold = stop["cold_start_seconds"]
    if cold is None or stop["saved_seconds"] is None:
        return Text("  stopping it meanwhile: say how long a cold start takes, with --cold-start 60s", "dim")
    if not device["longest"]:
        return Text("  stopping it meanwhile: there is no gap to stop it in", "dim")
    source = "as said" if stop["cold_start_source"] == "said" else stop["cold_start_source"]
    if not stop["gaps"]:
        return Text(f"  stopping it meanwhile: no gap is longer than a cold start of {cold:.3g} s ({source})")
    gaps, verb = stop["gaps"], "saves" if stop["saved_seconds"] > 0 else "costs"
    found = f"{span(stop['gap_seconds'])} in {gaps} gap{'s' if gaps > 1 else ''}"
    sum_ = f"{found} - 2 * {gaps} * {cold:.3g} s = {stop['saved_seconds']:,.1f} s"
    text = f"  stopping it meanwhile {verb} "
    if stop["saved_usd"] is None:
        text += f"{span(abs(stop['saved_seconds']))}: {sum_}"
    else:
        text += f"{dollars(abs(stop['saved_usd']))}: {sum_}, at ${device['usd_per_hour']:.2f}/h"
    if stop["per_month_usd"] is not None:
        text += f", {amount(abs(stop['per_month_usd']), 2)} a month"
    return Text(f"{text}; a cold start takes {cold:.3g} s ({source})", "green" if verb == "saves" else "")
