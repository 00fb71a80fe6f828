"""The generated rules over the past: each expression is run by the real Prometheus, what it yields is written back.

Prometheus itself evaluates rules at the present only, and `promtool tsdb create-blocks-from rules` knows no rule that
reads another. So rules run here one after the other in the order in which they read each other, each at the times of
its group; of alerts what Prometheus would record of them, the series ALERTS.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import promql_parser
from ruamel.yaml import YAML

from boards.remote_write import Writer, labels_of, number
from boards.server import Server
from inferometer.fleet import durations
from inferometer_alerts import prometheus_series, rule_labels
from inferometer_alerts.lint.expressions import nodes

_NS: Final = 10**9
_MS: Final = 1000


@dataclass(frozen=True, slots=True)
class Ruled:
    """A rule with the interval of its group."""

    name: str
    expr: str
    labels: Mapping[str, str]
    interval: int
    """Seconds."""
    hold: int | None
    """Seconds that an alert must hold; None: a rule that records."""

    @property
    def reads(self) -> frozenset[str]:
        """Series that it reads."""
        return frozenset(
            node.name for node in nodes(self.expr) if isinstance(node, promql_parser.VectorSelector) and node.name
        )


def parsed(files: Mapping[str, bytes]) -> list[Ruled]:
    """Rules of generated files, those that are read before those that read them."""
    yaml = YAML(typ="safe", pure=True)
    rules = [
        _ruled(rule, _seconds(group["interval"]))
        for name, content in sorted(files.items())
        if name.startswith("prometheus/rules/")
        for group in yaml.load(content.decode())["groups"]
        for rule in group["rules"]
    ]
    return list(_ordered(rules))


def _ruled(rule: Mapping[str, Any], interval: int) -> Ruled:
    labels = {name: str(value) for name, value in (rule.get("labels") or {}).items()}
    if "record" in rule:
        return Ruled(rule["record"], rule["expr"], labels, interval, None)
    return Ruled(rule["alert"], rule["expr"], labels, interval, _seconds(rule.get("for", "0s")))


def _seconds(text: str) -> int:
    return 0 if text == "0s" else durations.parse(text) // _NS


def _ordered(rules: list[Ruled]) -> Iterator[Ruled]:
    waiting = list(rules)
    while waiting:
        missing = {rule.name for rule in waiting if rule.hold is None}
        ready = [rule for rule in waiting if not (rule.reads & missing - {rule.name})]
        if not ready:
            raise ValueError(f"rules that read each other: {sorted(rule.name for rule in waiting)}")
        yield from ready
        waiting = [rule for rule in waiting if rule not in ready]


def backfill(server: Server, writer: Writer, rules: Iterable[Ruled], begin: float, end: float) -> None:
    """Evaluate rules from *begin* to *end* and write what they record."""
    for rule in rules:
        first = (int(begin) // rule.interval + 1) * rule.interval
        found = server.range(rule.expr, first, end, rule.interval)
        for series in found:
            values = [(float(at), float(text)) for at, text in series.get("values", ())]
            metric = {name: text for name, text in series["metric"].items() if name != "__name__"} | dict(rule.labels)
            if rule.hold is None:
                labels = labels_of(rule.name, metric)
            else:
                values = [(at, 1.0) for at in _held([at for at, _ in values], rule)]
                state = {rule_labels.ALERT_NAME.name: rule.name, rule_labels.ALERT_STATE.name: "firing"}
                labels = labels_of(prometheus_series.ALERTS.name, metric | state)
            for at, value in values:
                writer.add(round(at * _MS), [(labels, number(value))])
        writer.push()


def _held(times: list[float], rule: Ruled) -> Iterator[float]:
    """Times at which an alert fires: it has been true without a gap for long enough."""
    since = before = None
    for at in times:
        since = at if since is None or before is None or at - before > rule.interval else since
        before = at
        if rule.hold is not None and at - since >= rule.hold:
            yield at
