"""Load, steal, clock and pressure of a host, as its kernel tells them."""

from collections.abc import Iterator
from typing import Final

from inferometer.catalog.labels import LOAD_WINDOW, PRESSURE_KIND, RESOURCE
from inferometer_exporters.hosts.roots import Roots, number, text

_KILOHERTZ: Final = 1_000
_MICROSECOND: Final = 1_000
_STEAL: Final = 8
"""Field of ``/proc/stat``'s line ``cpu``, its name counted (proc_stat(5))."""
_CPU: Final = RESOURCE.values[0]
_FULL: Final = PRESSURE_KIND.values[1]


def loads(roots: Roots) -> Iterator[tuple[str, float]]:
    """(window, mean number of threads that ran or waited to); none where the kernel does not say."""
    said = (text(roots.proc / "loadavg") or "").split()
    for window, value in zip(LOAD_WINDOW.values, said, strict=False):
        yield window, float(value)


def stolen_ns(roots: Roots, ticks_per_second: int) -> int | None:
    """Time in which a hypervisor ran something else while our CPUs had work, of all CPUs together."""
    for line in (text(roots.proc / "stat") or "").splitlines():
        cells = line.split()
        if cells[:1] == ["cpu"] and len(cells) > _STEAL:
            return int(cells[_STEAL]) * 10**9 // ticks_per_second
    return None


def clock_hertz(roots: Roots) -> float | None:
    """Mean clock of the CPUs now; None where the kernel does not govern it, as in most virtual machines."""
    files = roots.sys.glob("devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq")
    clocks = [clock for file in files if (clock := number(file))]
    return sum(clocks) / len(clocks) * _KILOHERTZ if clocks else None


def pressures(roots: Roots) -> Iterator[tuple[str, str, int]]:
    """(resource, kind, ns in which threads waited for it): the kernel's pressure stall information, where it has it."""
    for resource in RESOURCE.values:
        for line in (text(roots.proc / "pressure" / resource) or "").splitlines():
            kind, *cells = line.split()
            total = dict(cell.partition("=")[::2] for cell in cells).get("total", "")
            # Of a whole host the kernel writes 0 for "full" of its CPUs: some CPU always runs something.
            if kind in PRESSURE_KIND.values and total.isdecimal() and (resource, kind) != (_CPU, _FULL):
                yield resource, kind, int(total) * _MICROSECOND
