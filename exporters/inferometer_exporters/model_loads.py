"""Loads of models that a worker tells of."""

from itertools import chain, repeat

from inferometer.errors import WireError
from inferometer.wire.frame import Frame
from inferometer.wire.gauges import Gauges


def of(frame: Frame) -> list[tuple[int, str]]:
    """(ns, device) of models' loads since the worker's last frame; none where its gauges are not readable."""
    try:
        gauges = Gauges.from_json(frame.gauges)
        # Workers of before 2026-11-23 do not say the device.
        places = chain(gauges.load_devices, repeat(""))
        return [(load[1], place) for load, place in zip(gauges.model_loads, places, strict=False)]
    except WireError:
        # Counted where the gauges become series.
        return []
