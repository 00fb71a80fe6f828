"""What Grafana reads at its start: where the data are, and where the boards lie."""

from typing import Final

from inferometer.catalog.spans import EXEMPLAR_TRACE_ID
from inferometer_alerts.addresses import Addresses
from inferometer_alerts.time_scale import TimeScale
from inferometer_alerts.yaml_text import Yaml

PROMETHEUS_UID: Final = "prometheus"
JAEGER_UID: Final = "jaeger"
FOLDER_UID: Final = "inferometer"
BOARDS_IN_CONTAINER: Final = "/etc/grafana/dashboards"


def datasources(addresses: Addresses, scale: TimeScale) -> Yaml:
    """Prometheus, whose exemplars open traces, and Jaeger."""
    prometheus: Yaml = {
        "name": "Prometheus",
        "uid": PROMETHEUS_UID,
        "type": "prometheus",
        "access": "proxy",
        "url": f"http://{addresses.prometheus}",
        "isDefault": True,
        "editable": False,
        "jsonData": {
            "httpMethod": "POST",
            # From this Grafana makes $__rate_interval: four scrapes at least.
            "timeInterval": scale.every("15s"),
            "exemplarTraceIdDestinations": [{"name": EXEMPLAR_TRACE_ID, "datasourceUid": JAEGER_UID}],
        },
    }
    jaeger: Yaml = {
        "name": "Jaeger",
        "uid": JAEGER_UID,
        "type": "jaeger",
        "access": "proxy",
        "url": f"http://{addresses.jaeger}",
        "editable": False,
    }
    return {"apiVersion": 1, "prune": True, "datasources": [prometheus, jaeger]}


def providers() -> Yaml:
    """The folder of boards, which nobody edits in the browser."""
    return {
        "apiVersion": 1,
        "providers": [
            {
                "name": FOLDER_UID,
                "orgId": 1,
                "folder": "Inferometer",
                "folderUid": FOLDER_UID,
                "type": "file",
                "disableDeletion": True,
                "allowUiUpdates": False,
                "updateIntervalSeconds": 30,
                "options": {"path": BOARDS_IN_CONTAINER},
            }
        ],
    }
