"""Energy of CPU packages by their own counters (RAPL), where the kernel shows them: mostly to root alone."""

from pathlib import Path

from inferometer_exporters.hosts.roots import Roots, number, text


class Packages:
    """Counts from the first reading on; a counter that reached its end went on at 0."""

    def __init__(self, roots: Roots) -> None:
        zones = sorted(roots.sys.glob("class/powercap/*-rapl:*"))
        # Zones inside a package (its cores, its memory controller) have a second number: they are part of it.
        packages = (zone for zone in zones if zone.name.count(":") == 1)
        self._zones = [zone for zone in packages if (text(zone / "name") or "").startswith("package")]
        self._last: dict[Path, int] = {}
        self._total = 0

    def microjoules(self) -> int | None:
        """Energy since the first reading; None where a package does not tell."""
        now = {zone: value for zone in self._zones if (value := number(zone / "energy_uj")) is not None}
        if not now or len(now) < len(self._zones):
            return None
        for zone, value in now.items():
            before = self._last.get(zone, value)
            # The counter has the values 0 to its range, which is one value more than its range says.
            wrapped = (number(zone / "max_energy_range_uj") or 0) + 1 if value < before else 0
            self._total += max(value - before + wrapped, 0)
        self._last = now
        return self._total
