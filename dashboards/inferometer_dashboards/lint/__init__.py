"""What is wrong with boards before any Grafana loads them: their JSON is read as Grafana reads it.

The rules are those of Grafana's dashboard-linter that apply to boards of a fleet (`template-datasource`,
`template-on-time-change-reload`, `panel-datasource`, `panel-title-description`, `panel-units`, `panel-no-targets`,
`target-promql`, `target-rate-interval`, `target-counter-agg`, `uneditable`), and those that follow from what boards
promise here: places on the grid, one id for one panel, links that lead somewhere and pass what is there, variables that
exist and are used, names of lines that the query still has.

Not applied: its rules on the variables and matchers `job` and `instance`; boards ask for services and models.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from inferometer.catalog.engines import SIGNALS
from inferometer.catalog.labels import REPLICA
from inferometer.fleet.model import Fleet
from inferometer_alerts.generation import rule_groups
from inferometer_alerts.lint import Finding, Known
from inferometer_alerts.time_scale import TimeScale
from inferometer_dashboards.lint import layout, links, panels, queries, variables
from inferometer_dashboards.lint.document import Document

__all__ = ["Document", "Finding", "Known", "findings", "known"]


def known(fleet: Fleet) -> Known:
    """Series that the boards of a fleet may read: those that its rules read and record; of engines also by replica."""
    series = dict(Known.of(rule_groups(fleet, TimeScale())).series)
    for name in {signal.entry.name for signal in SIGNALS}:
        for part in ("", "_bucket", "_sum", "_count"):
            if declared := series.get(f"{name}{part}"):
                series[f"{name}{part}"] = replace(declared, labels=declared.labels | {REPLICA.name})
    return Known(series)


def findings(boards: Mapping[str, bytes], known: Known) -> Iterator[Finding]:
    """Everything that is wrong with some boards, which lead to each other and nowhere else.

    Args:
        boards: JSON by the name of the file.
        known: series that queries may read.
    """
    documents = [Document.parse(content) for _, content in sorted(boards.items())]
    uids = [document.uid for document in documents]
    for uid in sorted({uid for uid in uids if uids.count(uid) > 1}):
        yield Finding(uid, "uid", "two boards have it")
    by_uid = {document.uid: document for document in documents}
    for document in documents:
        yield from variables.check(document, known)
        yield from layout.check(document)
        yield from panels.check(document)
        yield from queries.check(document, known)
        yield from links.check(document, by_uid)
