"""thresholds.json of a sidecar: a ConfigMap with what its services promise, and a mark by which pods start anew."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Self

from inferometer.fleet import thresholds_file
from inferometer.fleet.autoscaling_checks import deployment
from inferometer.fleet.model import Fleet
from inferometer.fleet.service import Service
from inferometer.fleet.thresholds import Thresholds
from inferometer_alerts.yaml_text import Yaml
from inferometer_compose.kubernetes import engine_pages
from inferometer_compose.kubernetes.names import THRESHOLDS, Manifest, metadata

MARK: Final = "inferometer.io/settings"
"""Annotation of pods: a digest of what they mount. Without it a change would wait for their next start."""
_DIGITS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A ConfigMap's name, and the text of thresholds.json in it."""

    name: str
    text: str

    @classmethod
    def of_services(cls, name: str, whole: Thresholds, services: Iterable[Service]) -> Self:
        """What a sidecar needs of its services only: a promise of another one starts no pod anew."""
        names = {service.name for service in services}
        own = replace(
            whole,
            objectives=tuple(objective for objective in whole.objectives if objective.service in names),
            timeouts_ns={name: timeout for name, timeout in whole.timeouts_ns.items() if name in names},
            engines=tuple(engine_pages.in_pod(pages) for pages in whole.engines if pages.service in names),
        )
        return cls(name=name, text=thresholds_file.dumps(own))

    @classmethod
    def of_pod(cls, whole: Thresholds, service: Service) -> Self:
        """Those of the sidecar, or of the server, in a service's pods."""
        return cls.of_services(f"{deployment(service)}-inferometer", whole, (service,))

    @property
    def mark(self) -> Manifest:
        """The annotation of pods that mount it."""
        return {MARK: hashlib.sha256(self.text.encode()).hexdigest()[:_DIGITS]}

    @property
    def volume(self) -> Yaml:
        """The volume of pods that mount it."""
        return {"name": "inferometer-settings", "configMap": {"name": self.name}}

    def config_map(self, fleet: Fleet) -> Manifest:
        """The ConfigMap."""
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata(fleet, self.name),
            "data": {THRESHOLDS: self.text},
        }
