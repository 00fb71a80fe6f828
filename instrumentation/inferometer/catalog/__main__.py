"""Write the catalogue's tables into Markdown files, between markers; ``--check`` only compares.

``python -m inferometer.catalog [--check] FILE...``
"""

import sys
from typing import Final

from inferometer import generated_tables
from inferometer.catalog import devices, engines, gpus, hosts, requests, spans, telemetry
from inferometer.catalog.model import Series
from inferometer.catalog.phases import PHASES
from inferometer.catalog.stages import STAGES


def _series_table(*modules: object) -> str:
    rows = ["| series | kind | labels | meaning |", "|---|---|---|---|"]
    for entry in (entry for module in modules for entry in vars(module).values()):
        if isinstance(entry, Series):
            labels = " ".join(f"`{name}`" for name in entry.label_names)
            rows.append(f"| `{entry.name}` | {entry.kind} | {labels} | {entry.help} |")
    return "\n".join(rows)


def _stage_table() -> str:
    rows = ["| stage | meaning | kinds |", "|---|---|---|"]
    for doc in STAGES:
        kinds = " ".join(f"`{kind.label}`" for kind in doc.kinds)
        rows.append(f"| `{doc.stage.label}` | {doc.meaning} | {kinds} |")
    return "\n".join(rows)


def _label_table() -> str:
    labels = {
        (label.name, label.help): label
        for module in (requests, engines, devices, hosts, gpus, telemetry)
        for entry in vars(module).values()
        if isinstance(entry, Series)
        for label in entry.labels
    }
    rows = ["| label | values | meaning |", "|---|---|---|"]
    for label in sorted(labels.values(), key=lambda label: (label.name, label.help)):
        values = " ".join(f"`{value}`" for value in label.values) or f"at most {label.max_values}"
        rows.append(f"| `{label.name}` | {values} | {label.help} |")
    return "\n".join(rows)


def _attribute_table() -> str:
    rows = ["| attribute | meaning |", "|---|---|"]
    rows += [f"| `{entry.name}` | {entry.help} |" for entry in spans.ATTRIBUTES]
    return "\n".join(rows)


def _phase_table() -> str:
    rows = ["| phase | meaning |", "|---|---|"]
    rows += [f"| `{doc.phase.label}` | {doc.meaning} |" for doc in PHASES]
    return "\n".join(rows)


TABLES: Final[generated_tables.Tables] = {
    "stages": _stage_table,
    "phases": _phase_table,
    "labels": _label_table,
    "request-series": lambda: _series_table(requests),
    "engine-series": lambda: _series_table(engines),
    "device-series": lambda: _series_table(devices, hosts, gpus),
    "own-series": lambda: _series_table(telemetry),
    "attributes": _attribute_table,
}


if __name__ == "__main__":
    sys.exit(generated_tables.main("inferometer.catalog", sys.argv[1:], TABLES))
