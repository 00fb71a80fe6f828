"""Energy of a host's CPU packages, by the counters that Linux shows under ``/sys/class/powercap`` (RAPL).

Since Linux 5.10 only root may read them (CVE-2020-8694). Where they cannot be read nothing is said: the energy is
unknown then, not 0. It is the packages' alone: memory, disks, fans and the power supply are outside.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from inferometer.catalog import hosts
from inferometer_exporters.hosts.roots import text
from inferometer_exporters.source import Reading

POWERCAP: Final = Path("/sys/class/powercap")
_PACKAGES: Final = "intel-rapl:[0-9]*"
"""AMD's packages have Intel's name here, too. Their parts (cores, memory) have a second colon and are left out."""
_PARTS: Final = 2


class Rapl:
    """Readings of the packages' energy.

    Args:
        device: name of the host as a billed device.
        powercap: the folder that has a folder for each package.
    """

    name = "rapl"

    def __init__(self, device: str, *, powercap: Path = POWERCAP) -> None:
        self._labels = (device,)
        zones = sorted(path for path in powercap.glob(_PACKAGES) if len(path.name.split(":")) == _PARTS)
        # The zone `psys` is the whole platform, its packages included (linux/Documentation/power/powercap).
        self._packages = [zone for zone in zones if (text(zone / "name") or "package").startswith("package")]
        self._last: dict[Path, int] = {}
        self._total = 0

    @classmethod
    def found(cls, device: str, *, powercap: Path = POWERCAP) -> "Rapl | None":
        """The source where there is a package and every one's counter may be read; None elsewhere."""
        source = cls(device, powercap=powercap)
        try:
            readable = [_number(package / "energy_uj") for package in source._packages]
        except OSError:
            return None
        return source if readable else None

    def read(self) -> Iterator[Reading]:
        """Energy of all packages since the first reading, microjoules.

        Raises:
            OSError: a counter cannot be read any more.
            ValueError: a counter is no number.
        """
        for package in self._packages:
            now = _number(package / "energy_uj")
            last = self._last.get(package, now)
            # It goes round: every minute of full load, in 32 bits of 61 microjoules.
            self._total += now - last if now >= last else now + _number(package / "max_energy_range_uj") - last
            self._last[package] = now
        yield Reading(hosts.HOST_ENERGY, self._labels, self._total, own=True)


def _number(path: Path) -> int:
    return int(path.read_text(encoding="ascii"))
