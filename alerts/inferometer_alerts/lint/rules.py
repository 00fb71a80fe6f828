"""Checks of rules, alerts and groups beyond their expressions."""

import re
from collections.abc import Iterator
from typing import Final

from inferometer.catalog.model import Label
from inferometer_alerts.lint.expressions import Follower, Shape, compares, uses_absent
from inferometer_alerts.lint.findings import Finding
from inferometer_alerts.lint.known import Known
from inferometer_alerts.rule import Alert, Group, Rule, Severity
from inferometer_alerts.rule_labels import SEVERITY, SLO_TIER
from inferometer_alerts.time_scale import SCRAPE_NS, TimeScale

_NAME: Final = re.compile(r"(?:[A-Z][a-z0-9]+)+(?:1k[A-Z][a-z]+)?")
_LONGEST_NAME: Final = 40
"""Of an alert and of a group, as mixtool has it."""
_SENTENCE: Final = re.compile(r"[A-Z{0-9]|inferometer|fleet\.yaml")
_TEMPLATE_LABEL: Final = re.compile(r"\$labels\.(\w+)")


def of_file(file: str, groups: tuple[Group, ...], known: Known, scale: TimeScale) -> Iterator[Finding]:
    """What is wrong with the rules of one file."""
    for group in groups:
        where = f"{file}/{group.name}"
        if len(group.name) > _LONGEST_NAME:
            yield Finding(where, "name", f"longer than {_LONGEST_NAME} characters")
        for rule in group.rules:
            yield from _of_rule(where, rule, Follower(known, scale.interval(SCRAPE_NS)))
    yield from _duplicates(file, groups)
    if scale.factor == 1:
        # With a time scale several windows are as short as any can be.
        yield from _repeated(file, groups)


def _of_rule(where: str, rule: Rule | Alert, follower: Follower) -> Iterator[Finding]:
    name = rule.series.name if isinstance(rule, Rule) else rule.name
    shape = follower.follow(rule.expr.text)
    # A comparison drops what is no number: only a recorded one would stay.
    harmless = {"nan"} if isinstance(rule, Alert) else set()
    found = [(check, says) for check, says in follower.said if check not in harmless]
    if shape is not None:
        found += _recorded(rule, shape) if isinstance(rule, Rule) else _alert(rule, shape)
    for check, says in dict.fromkeys(found):
        yield Finding(f"{where}/{name}", check, says)


def _recorded(rule: Rule, shape: Shape) -> Iterator[tuple[str, str]]:
    if shape.labels is None:
        yield "syntax", "a number is no series: write vector(…)"
        return
    carried = shape.labels | rule.labels.keys()
    if carried != set(rule.series.label_names):
        yield "labels", f"carries {_listed(carried)}, and is declared with {_listed(rule.series.label_names)}"
    if shape.counter:
        yield "counter", "records a counter's raw samples under the name of a gauge"


def _alert(alert: Alert, shape: Shape) -> Iterator[tuple[str, str]]:
    labels = (shape.labels or frozenset()) | alert.labels.keys() | {SEVERITY.name, SLO_TIER.name}
    if alert.severity is not Severity.HEARTBEAT and not compares(alert.expr.text):
        yield "comparison", "compares nothing: it fires whatever the value is"
    if uses_absent(alert.expr.text) and alert.hold == "0s":
        yield "absent", "absent() without a hold fires whenever Prometheus starts"
    if not shape.labels and not uses_absent(alert.expr.text) and alert.severity is not Severity.HEARTBEAT:
        yield "aggregation", "no label is left that says what is meant: aggregate by something"
    for text in (alert.summary, alert.description):
        for label in sorted(set(_TEMPLATE_LABEL.findall(text)) - labels):
            yield "template", f"uses $labels.{label}, which the alert has not"
    for label in alert.variables:
        yield from _variable(label, labels)
    yield from _words(alert)


def _variable(label: Label, labels: frozenset[str] | set[str]) -> Iterator[tuple[str, str]]:
    if label.name not in labels:
        yield "template", f"its board wants {label.name}, which the alert has not"


def _words(alert: Alert) -> Iterator[tuple[str, str]]:
    if not _NAME.fullmatch(alert.name) or len(alert.name) > _LONGEST_NAME:
        yield "name", f"{alert.name} is not CamelCase of at most {_LONGEST_NAME} characters"
    for what, text in (("summary", alert.summary), ("description", alert.description)):
        if not _SENTENCE.match(text) or not text.endswith("."):
            yield what, f"{text[:40]!r} is no sentence"
    if "{{" not in alert.summary + alert.description and alert.expr.labels:
        yield "template", "says no value and no label: it reads the same whatever has happened"


def _duplicates(file: str, groups: tuple[Group, ...]) -> Iterator[Finding]:
    seen: dict[tuple[str, ...], str] = {}
    for group in groups:
        for rule in group.rules:
            kind = (
                ("record", rule.series.name) if isinstance(rule, Rule) else (rule.tier, rule.severity.value, rule.name)
            )
            key = (*kind, *(f"{label}={value}" for label, value in sorted(rule.labels.items())))
            if key in seen:
                where = f"{file}/{group.name}/{kind[-1]}"
                yield Finding(where, "duplicate", f"another rule of {seen[key]} has this name and these labels")
            seen.setdefault(key, group.name)


def _repeated(file: str, groups: tuple[Group, ...]) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for group in groups:
        for rule in group.rules:
            if not isinstance(rule, Rule) or rule.labels:
                continue
            if rule.expr.text in seen:
                where = f"{file}/{group.name}/{rule.series.name}"
                yield Finding(where, "duplicate", f"{seen[rule.expr.text]} records the same")
            seen.setdefault(rule.expr.text, rule.series.name)


def _listed(labels: object) -> str:
    names = sorted(labels) if isinstance(labels, set | frozenset | tuple) else []
    return ", ".join(names) or "no labels"
