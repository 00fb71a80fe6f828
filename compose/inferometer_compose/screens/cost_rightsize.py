"""Advice on the size of devices, each with what it rests on; then the evidence itself."""

from collections.abc import Iterator

from rich.text import Text

from inferometer_compose.screens.columns import Column, plain, table
from inferometer_compose.screens.cost import heading, span
from inferometer_compose.screens.money import amount
from inferometer_compose.screens.units import UNKNOWN, duration, percent
from inferometer_compose.screens.wrapped import wrapped
from inferometer_exporters.recorder.idle_query import MONTH_HOURS
from inferometer_exporters.recorder.rightsize_answers import AdviceAnswer, DeviceSize, RightsizeReport

_BOUND = {"memory": "bound by memory", "compute": "bound by compute", "neither": "bound by neither memory nor compute"}


def rightsize(report: RightsizeReport, width: int) -> list[Text]:
    """The screen of ``inferometer cost rightsize``."""
    window = {"begin_seconds": report["begin_seconds"], "end_seconds": report["end_seconds"], "whole": True}
    lines = [heading("What would cost less", window)]  # type: ignore[arg-type]  # the keys of `WindowAnswer`
    if report["anyway"]:
        lines.append(Text("advice from however little there is: trust none of it (--anyway)", "yellow"))
    lines += _alternatives(report)
    for number, advice in enumerate(report["advice"], 1):
        lines += [Text(), *(part for line in _advice(number, advice) for part in wrapped(line, width))]
    if not report["advice"]:
        lines += [Text(), Text("  nothing is advised" if report["devices"] else "  no device is known yet")]
    for one in report["withheld"]:
        text = f"  {plain(one['device'])}: nothing is advised, {one['reason']} (--anyway advises all the same)"
        lines += wrapped(Text(text, "yellow"), width)
    return [*lines, *_evidence(report, width)]


def _alternatives(report: RightsizeReport) -> Iterator[Text]:
    """What all of it costs, where somebody might add savings up that exclude each other."""
    prices = [device["usd_per_hour"] for device in report["devices"] if device["usd_per_hour"] is not None]
    saving = [one for one in report["advice"] if one["usd_per_month"]]
    if prices and len(saving) > 1:
        whole = amount(sum(prices) * MONTH_HOURS, 2)
        yield Text(f"  at these prices the devices cost {whole} a month; savings on one device exclude each other")


def _advice(number: int, advice: AdviceAnswer) -> Iterator[Text]:
    usd = advice["usd_per_month"]
    devices = ", ".join(plain(device) for device in advice["devices"])
    title = Text(f"{number}. {devices}: {plain(advice['does'])}", "bold")
    title.append(f"   {'saving unknown' if usd is None else f'{amount(usd, 2)} a month'}", "bold green")
    title.append(f"   confidence {advice['confidence']}", "not bold")
    yield title
    yield Text(f"   because {plain(advice['because'])}")
    if advice["formula"]:
        yield Text(f"   {plain(advice['formula'])}   (rule {advice['rule']})", "dim")
    for condition in advice["preconditions"]:
        yield Text(f"   if      {condition}")
    if advice["risk"]:
        yield Text(f"   risk    {advice['risk']}")


def _evidence(report: RightsizeReport, width: int) -> Iterator[Text]:
    for device in report["devices"]:
        yield Text()
        yield from wrapped(_device(device), width)
        yield from _models(device, width)


def _device(device: DeviceSize) -> Text:
    name, hardware = plain(device["device"]), plain(device["hardware"])
    price = UNKNOWN if device["usd_per_hour"] is None else f"${device['usd_per_hour']:.2f}/h"
    text = Text(name, "bold")
    facts = [
        *([hardware] if hardware else []),
        f"{price}",
        f"{span(device['observed_seconds'])}, {device['requests']:,} requests",
        f"busy {percent(device['busy_ratio'])} (p95 of 5 min {percent(device['busy_p95'])})",
        f"utilization p95 {percent(device['utilization_p95'])}",
        f"memory peak {_memory(device)}",
    ]
    if device["dram_active_while_busy"] is not None and device["tensor_active_while_busy"] is not None:
        facts.append(
            f"{_BOUND[device['bound']]}: while busy memory {percent(device['dram_active_while_busy'])} active, "
            f"tensor cores {percent(device['tensor_active_while_busy'])}"
        )
    else:
        read = device["dram_active"] is not None and device["tensor_active"] is not None
        facts.append(
            f"bound by memory or compute: unknown, {'it was hardly busy' if read else 'nobody reads that here'}"
        )
    if device["throttled_ratio"]:
        facts.append(f"clocks held down {percent(device['throttled_ratio'])} of the time")
    return text.append("   " + "   ".join(facts), "not bold")


def _memory(device: DeviceSize) -> str:
    used, total = device["memory_peak_bytes"], device["memory_total_bytes"]
    if used is None:
        return UNKNOWN
    return f"{used / 1e9:.1f} GB" if not total else f"{used / 1e9:.1f} of {total / 1e9:.1f} GB"


def _models(device: DeviceSize, width: int) -> Iterator[Text]:
    models = device["models"]
    if not models:
        return
    columns = [
        Column("model", [plain(" ".join(filter(None, (m["service"], m["model"], m["version"])))) for m in models],
               figure=False),
        Column("requests", [f"{model['requests']:,}" for model in models]),
        Column("device s", [f"{model['device_seconds']:,.1f}" for model in models], rank=2),
        Column("p95", [duration(model["p95_seconds"]) for model in models]),
        Column("promised", [duration(model["slo_seconds"]) for model in models], rank=1),
        Column("queue/run", [UNKNOWN if m["queue_ratio"] is None else f"{m['queue_ratio']:.2f}" for m in models],
               rank=3),
        Column("batch", [UNKNOWN if m["mean_batch"] is None else f"{m['mean_batch']:.1f}" for m in models], rank=4),
        Column("peak memory", [
            UNKNOWN if m["memory_peak_bytes"] is None else f"{m['memory_peak_bytes'] / 1e9:.1f} GB" for m in models
        ]),
    ]  # fmt: skip
    lines, _ = table(columns, width)
    yield from lines
    if len(models) > 1 and all(model["memory_peak_bytes"] is None for model in models):
        yield Text("  peak memory by model: unknown where they share a device", "dim")
