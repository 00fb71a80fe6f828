"""Grafana's foundation SDK, imported in one place: its names move between releases."""

import warnings

with warnings.catch_warnings():
    # The SDK recommends its newer schema, which Grafana below 13 cannot load.
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.builders import bargauge, heatmap, stat, statetimeline, table, text, timeseries
    from grafana_foundation_sdk.builders import common as common_builders
    from grafana_foundation_sdk.builders import dashboard as builders
    from grafana_foundation_sdk.builders import prometheus as prometheus_builders
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models import common, dashboard, prometheus, units
    from grafana_foundation_sdk.models import heatmap as heatmap_models
    from grafana_foundation_sdk.models import text as text_models

__all__ = [
    "JSONEncoder",
    "bargauge",
    "builders",
    "common",
    "common_builders",
    "dashboard",
    "heatmap",
    "heatmap_models",
    "prometheus",
    "prometheus_builders",
    "stat",
    "statetimeline",
    "table",
    "text",
    "text_models",
    "timeseries",
    "units",
]
