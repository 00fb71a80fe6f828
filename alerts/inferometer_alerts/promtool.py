"""Test files of promtool: input series, and what queries must answer at some times."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from inferometer import promql
from inferometer.catalog.model import Label
from inferometer.fleet import durations
from inferometer.promql import Matcher
from inferometer_alerts import prometheus_series, rule_labels, rule_series
from inferometer_alerts.rule import Alert, Expect, Group
from inferometer_alerts.samples import plain
from inferometer_alerts.yaml_text import Yaml

Elements = tuple[tuple[Mapping[str, str], Decimal], ...]
_IS: Final[Elements] = (({}, Decimal(1)),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What a query answers at a time (nanoseconds from the start): exactly these elements."""

    expr: str
    at_ns: int
    elements: Elements


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """One test of promtool: samples, and checks in the order of time.

    Attributes:
        name: What happens.
        evaluation_ns: Between two rounds of all rules.
        step_ns: Between two samples.
        series: Samples by series.
        checks: What must be so at which time.
        about: What its series and checks are about, and no other test's that may run beside it; empty: everything.
        reads: Expressions that it is about.
    """

    name: str
    evaluation_ns: int
    step_ns: int
    series: Mapping[str, str]
    checks: tuple[Check, ...]
    about: frozenset[str] = frozenset()
    reads: str = ""


def fires(alert: Alert, at_ns: int, *, carries: Iterable[str] = (), only: tuple[Matcher, ...] = ()) -> Check:
    """An alert fires, with its severity, its tier, its fixed labels, and some value for those that it *carries*."""
    fixed = {label: value for label, value in alert.labels.items() if "{{" not in value}
    matchers = (
        promql.equal(rule_labels.SEVERITY, alert.severity.value),
        promql.equal(rule_labels.SLO_TIER, alert.tier),
        *(promql.equal(_label(name), value) for name, value in fixed.items()),
        *(promql.differs(_label(name), "") for name in carries if name not in fixed),
    )
    named = {matcher.label.name for matcher in only}
    chosen = [*only, *(matcher for matcher in matchers if matcher.label.name not in named)]
    return Check(expr=_firing(alert, chosen), at_ns=at_ns, elements=_IS)


def quiet(alert: Alert, at_ns: int, *, only: tuple[Matcher, ...] = ()) -> Check:
    """An alert does not fire, whatever its labels say."""
    return Check(expr=_firing(alert, only), at_ns=at_ns, elements=())


def _label(name: str) -> Label:
    return Label(name=name, help="Of an alert.", max_values=1)


def _firing(alert: Alert, matchers: Iterable[Matcher]) -> str:
    chosen = (
        promql.equal(rule_labels.ALERT_NAME, alert.name),
        promql.equal(rule_labels.ALERT_STATE, "firing"),
        *matchers,
    )
    # An alert carries what its expression does: more labels than any one of ours may have.
    labels = tuple({matcher.label.name: matcher.label for matcher in chosen}.values())
    family = rule_series.Builtin(name=prometheus_series.ALERTS.name, help=prometheus_series.ALERTS.help, labels=labels)
    return promql.group_by(promql.select(family, *chosen)).text


def recorded_as(expect: Expect) -> Check:
    """A recorded series has these elements, rounded."""
    selector = promql.select(expect.series, *expect.only)
    return Check(
        expr=promql.rounded(selector, expect.to).text,
        at_ns=durations.parse(expect.at),
        elements=expect.elements,
    )


def side_by_side(tests: Iterable[Test]) -> list[Test]:
    """Fewer tests: those about different things share one, because promtool evaluates every rule for each of them."""
    made: list[list[Test]] = []
    for test in tests:
        together = next((some for some in made if test.about and all(_apart(test, other) for other in some)), None)
        if together is None:
            made.append([test])
        else:
            together.append(test)
    return [_merged(some) for some in made]


def _apart(one: Test, other: Test) -> bool:
    same_clock = (one.evaluation_ns, one.step_ns) == (other.evaluation_ns, other.step_ns)
    return same_clock and bool(other.about) and not one.about & other.about


def _merged(tests: list[Test]) -> Test:
    first, *others = tests
    if not others:
        return first
    return replace(
        first,
        name=" + ".join(test.name for test in tests),
        series={series: values for test in tests for series, values in test.series.items()},
        checks=tuple(sorted((check for test in tests for check in test.checks), key=lambda check: check.at_ns)),
        about=frozenset().union(*(test.about for test in tests)),
    )


def document(tests: Iterable[Test], evaluation_ns: int, files: Mapping[str, tuple[Group, ...]]) -> Yaml:
    """A test file for rule files, at one evaluation interval."""
    return {
        "rule_files": [f"../rules/{name}.yml" for name in files],
        "evaluation_interval": durations.render(evaluation_ns),
        "group_eval_order": [group.name for groups in files.values() for group in groups],
        "tests": [_written(test) for test in tests],
    }


def _written(test: Test) -> Yaml:
    return {
        "name": test.name,
        "interval": durations.render(test.step_ns),
        "input_series": [{"series": series, "values": values} for series, values in test.series.items()],
        "promql_expr_test": [
            {
                "expr": check.expr,
                "eval_time": durations.render(check.at_ns),
                "exp_samples": [
                    {"labels": _labels(labels), "value": float(plain(value))} for labels, value in check.elements
                ],
            }
            for check in test.checks
        ],
    }


def _labels(labels: Mapping[str, str]) -> str:
    return f"{{{', '.join(f'{name}={promql.quote(value)}' for name, value in labels.items())}}}"
