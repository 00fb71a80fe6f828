"""A hop's device and money in words, for whoever draws it."""

from collections.abc import Callable, Iterator

from inferometer_exporters.recorder.trace_answers import HopAnswer, TraceAnswer

UNPRICED = "unpriced"
"""What stands in place of a cost, where a device that was used has no price: it is not free."""


def cost_text(trace: TraceAnswer, dollars: Callable[[float], str]) -> str:
    """``$0.0031``, or that a device has no price; empty where the trace used no device.

    Args:
        trace: of the recorder.
        dollars: writes an amount.
    """
    if trace["unpriced_devices"]:
        return f"{UNPRICED}: no price of {', '.join(trace['unpriced_devices'])}"
    return "" if trace["cost_usd"] is None else dollars(trace["cost_usd"])


def state_text(hop: HopAnswer) -> str:
    """``GPU-1: 87 % used, 1.98 GHz, 71 °C, throttled 30 ms (thermal)``, as far as it was read."""
    state = hop["device_state"]
    if state is None:
        return ""
    return f"{state['device']}: {', '.join(_state(hop))}"


def _state(hop: HopAnswer) -> Iterator[str]:
    state = hop["device_state"]
    if state is None:
        return
    if state["utilization_ratio"] is not None:
        yield f"{state['utilization_ratio']:.0%} used".replace("%", " %")
    if state["sm_clock_hertz"] is not None:
        yield f"{state['sm_clock_hertz'] / 1e9:.2f} GHz"
    if state["temperature_celsius"] is not None:
        yield f"{state['temperature_celsius']:.0f} °C"
    if hop["energy_joules"] is not None:
        yield f"{hop['energy_joules']:.3g} J"
    held = state["throttled_seconds"]
    if held:
        why = f" ({', '.join(state['throttle_reasons'])})" if state["throttle_reasons"] else ""
        yield f"throttled {held * 1e3:.3g} ms{why}"
    elif held is not None:
        yield "not throttled"
