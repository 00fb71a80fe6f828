"""The generated configuration of a run, with the addresses of this host."""

from dataclasses import dataclass
from pathlib import Path

from inferometer.errors import InferometerError
from inferometer_alerts.addresses import Addresses
from inferometer_dashboards import generation


@dataclass(frozen=True, slots=True)
class Configuration:
    """Where the generated files of a run lie."""

    folder: Path

    @property
    def prometheus(self) -> Path:
        """Prometheus' own file."""
        return self.folder / "prometheus" / "prometheus.yml"

    @property
    def alertmanager(self) -> Path:
        """Alertmanager's own file."""
        return self.folder / "alertmanager" / "alertmanager.yml"

    @property
    def thresholds(self) -> Path:
        """What the sidecar reads of the fleet."""
        return self.folder / "thresholds.json"


def generate(fleet: Path, out: Path, *, time_scale: int, addresses: Addresses) -> Configuration:
    """Write everything that ``inferometer generate`` writes, for these addresses.

    Raises:
        FleetError: the fleet file is wrong.
    """
    generation.write(fleet, out, time_scale=time_scale, addresses=addresses)
    return Configuration(out)


def demo_fleet() -> Path:
    """The demo's own fleet file: of the checkout, or as it was installed.

    Raises:
        InferometerError: it is in neither place.
    """
    package = Path(__file__).parents[1]
    # A wheel carries examples/fleet.yaml inside the package; a checkout has it where people read it.
    for path in (package / "fleet.yaml", package.parents[1] / "examples" / "fleet.yaml"):
        if path.is_file():
            return path
    raise InferometerError("the demo's fleet.yaml is not there: name a fleet with --config")
