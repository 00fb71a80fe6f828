"""Totals that only rise, from counters of a driver that begin anew, and from samples where it has no counter."""

from collections.abc import Mapping, Sequence
from typing import Final

from inferometer.catalog.labels import THROTTLE_REASON
from inferometer_exporters.gpus import nvml_library as nvml
from inferometer_exporters.gpus.nvml_library import FieldId, FieldValue

LONGEST_GAP_NS: Final = 5 * 10**9
"""Longest time between two samples that is taken to be like the samples; what was longer is unknown."""
_MICROJOULES_PER_MILLIJOULE: Final = 1_000
# 1 mW for 1 ns is 1e-12 J, a millionth of a microjoule.
_MILLIWATT_NS_PER_MICROJOULE: Final = 10**6
_WORD_BITS: Final = 32

POWER_CAP, THERMAL, HARDWARE, SYNC_BOOST, OTHER = THROTTLE_REASON.values
THROTTLE_FIELDS: Final[Mapping[str, Sequence[FieldId]]] = {
    POWER_CAP: (nvml.POWER_CAP_NS,),
    THERMAL: (nvml.THERMAL_NS,),
    # Fields 269 to 271 count it, too, but other drivers number them 251 to 253, where these have something else.
    HARDWARE: (),
    SYNC_BOOST: (nvml.SYNC_BOOST_NS,),
    OTHER: (nvml.BOARD_LIMIT_NS, nvml.RELIABILITY_NS),
}
"""Counters of a reason's time, nanoseconds; none where a sample of the reasons has to do."""


class Rising:
    """A counter of the driver without its falls; 0 at its first reading."""

    def __init__(self) -> None:
        self.total = 0
        self._last: int | None = None

    def advance(self, raw: int, *, bits: int = 64) -> int:
        """Take in what the driver counts now; how much that is more.

        A counter that fell began anew: what it shows was counted since. One of 32 bits that was past its half
        when it fell went on at 0.
        """
        gain = 0
        if self._last is not None:
            gain = raw - self._last
            if gain < 0:
                full = self._last >= 1 << (_WORD_BITS - 1) and bits == _WORD_BITS
                gain = gain + (1 << _WORD_BITS) if full else raw
        self._last = raw
        self.total += gain
        return gain


class Energy:
    """Energy of a device: by its counter, or the integral of power as long as no counter was seen."""

    def __init__(self) -> None:
        self._counter = Rising()
        self._counted = False
        self._twice = 0
        """Twice the integral, mW ns: the trapezoid's half is divided once, when it is read."""
        self._last: tuple[int, int] | None = None

    def counter(self, millijoules: int) -> None:
        """Take in the device's counter."""
        self._counted = True
        self._counter.advance(millijoules)

    def power(self, milliwatts: int, now_ns: int) -> None:
        """Take in the power drawn now."""
        if self._last is not None:
            before, at_ns = self._last
            if now_ns - at_ns <= LONGEST_GAP_NS:
                self._twice += (before + milliwatts) * (now_ns - at_ns)
        self._last = (milliwatts, now_ns)

    @property
    def microjoules(self) -> int | None:
        """Energy since the first reading; None while there is neither a counter nor power."""
        if self._counted:
            return self._counter.total * _MICROJOULES_PER_MILLIJOULE + self._integral
        return self._integral if self._last is not None else None

    @property
    def _integral(self) -> int:
        return self._twice // (2 * _MILLIWATT_NS_PER_MICROJOULE)


class Throttle:
    """Time in which clocks were held down, by reason, nanoseconds."""

    def __init__(self) -> None:
        self.totals: dict[str, int] = {}
        """Reasons of which something is known."""
        self._counters = {field: Rising() for fields in THROTTLE_FIELDS.values() for field in fields}
        self._at_ns: dict[str, int] = {}
        self._sampled: dict[str, bool] = {}

    def advance(self, fields: Mapping[FieldId, FieldValue], reasons: int | None, now_ns: int) -> None:
        """Take in the device's counters and the reasons that hold now, as a set of bits; None if they are unknown."""
        sampled = {} if reasons is None else _sampled(reasons)
        for reason, counters in THROTTLE_FIELDS.items():
            known = [self._counters[field].advance(int(fields[field].value)) for field in counters if field in fields]
            if known:
                # Two counters of one reason may run at the same time.
                self._add(reason, min(sum(known), self._elapsed(reason, now_ns)))
            elif reason in sampled:
                elapsed = self._elapsed(reason, now_ns)
                held = self._sampled.get(reason, False) and elapsed <= LONGEST_GAP_NS
                self._add(reason, elapsed if held else 0)
        self._sampled = sampled

    def _elapsed(self, reason: str, now_ns: int) -> int:
        elapsed = now_ns - self._at_ns.get(reason, now_ns)
        self._at_ns[reason] = now_ns
        return elapsed

    def _add(self, reason: str, nanoseconds: int) -> None:
        self.totals[reason] = self.totals.get(reason, 0) + nanoseconds


def _sampled(reasons: int) -> dict[str, bool]:
    """Which reasons a sample names; the hardware's slowdown is set along with its causes."""
    heat = reasons & (nvml.THERMAL_SOFTWARE | nvml.THERMAL_HARDWARE)
    brake = reasons & nvml.POWER_BRAKE or (reasons & nvml.HARDWARE_SLOWDOWN and not reasons & nvml.THERMAL_HARDWARE)
    return {
        POWER_CAP: bool(reasons & nvml.POWER_CAP),
        THERMAL: bool(heat),
        HARDWARE: bool(brake),
        SYNC_BOOST: bool(reasons & nvml.SYNC_BOOST),
    }
