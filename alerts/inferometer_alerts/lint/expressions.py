"""Follows an expression from its selectors to its result: which labels each part carries, and what is wrong with it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import promql_parser

from inferometer.fleet import durations
from inferometer_alerts.lint.known import Known
from inferometer_alerts.recorded_costs import BUDGET_ALLOWED
from inferometer_alerts.recorded_slos import SLO_BUDGET, SLO_OBJECTIVE
from inferometer_alerts.rule_labels import INSTANCE, JOB

_RATES: Final = frozenset({"rate", "increase"})
_NOT_OURS: Final = frozenset({"irate", "idelta", "delta", "deriv"})
"""Of two samples, or of gauges that jump: too nervous for an alert."""
_COUNTER_FUNCTIONS: Final = _RATES | {"resets", "changes", "last_over_time", "absent", "absent_over_time", "timestamp"}
_COUNTER_AGGREGATIONS: Final = frozenset({"group", "count"})
_COMPARISONS: Final = frozenset({"==", "!=", ">", "<", ">=", "<="})
_SETS: Final = frozenset({"and", "or", "unless"})
_FILTERS: Final = _SETS | _COMPARISONS
_KEEPS_ELEMENTS: Final = frozenset({"topk", "bottomk"})
_NEVER_ZERO: Final = frozenset({BUDGET_ALLOWED.name, SLO_BUDGET.name, SLO_OBJECTIVE.name})
_OF_TARGET: Final = frozenset({JOB.name, INSTANCE.name})
"""What Prometheus adds to everything that it scrapes; whoever wants it names it."""
_FEWEST_SCRAPES: Final = 4
_META: Final = frozenset(".+*?()|[]{}^$\\")


@dataclass(frozen=True, slots=True)
class Shape:
    """What a part of an expression yields."""

    labels: frozenset[str] | None
    """None: a number without labels."""
    counter: bool = False
    """Raw samples of a counter."""
    scraped: bool = False
    """Whether it has the labels of its target too."""

    @property
    def is_scalar(self) -> bool:
        """Whether it is no vector."""
        return self.labels is None

    @property
    def has(self) -> frozenset[str]:
        """Every label that may be named."""
        return (self.labels or frozenset()) | (_OF_TARGET if self.scraped else frozenset())


@dataclass(slots=True)
class Follower:
    """Follows one expression; ``said`` has a check's name and what is wrong.

    Attributes:
        known: Series that may be read.
        scrape_ns: Time between two scrapes.
    """

    known: Known
    scrape_ns: int
    said: list[tuple[str, str]] = field(default_factory=list)

    def follow(self, text: str) -> Shape | None:
        """The shape of the result; None where the expression cannot be parsed."""
        try:
            root = promql_parser.parse(text)
        except ValueError as error:
            self.said.append(("syntax", str(error)))
            return None
        return self._shape(root)

    def _say(self, check: str, says: str) -> None:
        self.said.append((check, says))

    def _shape(self, node: Any) -> Shape:
        kind = type(node).__name__
        if kind in {"NumberLiteral", "StringLiteral"}:
            return Shape(None)
        if kind in {"ParenExpr", "UnaryExpr"}:
            return self._shape(node.expr)
        of_kind: dict[str, Callable[[Any], Shape]] = {
            "VectorSelector": self._selected,
            "MatrixSelector": self._window,
            "SubqueryExpr": self._subquery,
            "Call": self._call,
            "AggregateExpr": self._aggregate,
            "BinaryExpr": self._binary,
        }
        return of_kind[kind](node)

    def _selected(self, node: Any) -> Shape:
        matchers = node.matchers.matchers
        if not node.name:
            self._say("selector", f"{node} names no series")
            return Shape(frozenset())
        declared = self.known.series.get(node.name)
        if declared is None:
            self._say("series", f"nobody declares {node.name}")
            return Shape(frozenset(matcher.name for matcher in matchers))
        scraped = ":" not in node.name
        for matcher in matchers:
            if matcher.name not in declared.labels | (_OF_TARGET if scraped else frozenset()):
                self._say("label", f"{node.name} has no label {matcher.name}")
            if str(matcher.op) in {"MatchOp.Re", "MatchOp.NotRe"} and not _META & set(matcher.value):
                self._say("regexp", f"{matcher.name}: {matcher.value!r} is plain text; match it with = or !=")
            if str(matcher.op) == "MatchOp.Re" and matcher.value in {".*", ".+"}:
                self._say("regexp", f"{matcher.name}: {matcher.value!r} matches everything")
        return Shape(declared.labels, counter=declared.counter, scraped=scraped)

    def _window(self, node: Any) -> Shape:
        length = int(node.range.total_seconds() * 10**9)
        if length < _FEWEST_SCRAPES * self.scrape_ns:
            self._say("range", f"{durations.render(length)} has less than {_FEWEST_SCRAPES} scrapes")
        return self._shape(node.vector_selector)

    def _subquery(self, node: Any) -> Shape:
        return self._shape(node.expr)

    def _call(self, node: Any) -> Shape:
        name = node.func.name
        shapes = [self._shape(argument) for argument in node.args]
        vectors = [shape for shape in shapes if not shape.is_scalar]
        if name in _NOT_OURS:
            self._say("rate", f"{name}() jumps with every sample")
        if name in {"time", "pi", "scalar"}:
            return Shape(None)
        if not vectors:
            return Shape(frozenset())
        first = vectors[0]
        if name in _RATES and not first.counter:
            self._say("rate", f"{name}() of {node.args[0]}, which is no counter")
        if first.counter and name not in _COUNTER_FUNCTIONS and not name.endswith("_over_time"):
            self._say("counter", f"{name}() of a counter's samples: they only say how long the process lives")
        if first.counter and name in {"sum_over_time", "avg_over_time"}:
            self._say("counter", f"{name}() adds up a counter's samples")
        return self._result(name, node, first)

    def _result(self, name: str, node: Any, first: Shape) -> Shape:
        labels = first.labels or frozenset()
        if name in {"absent", "absent_over_time"}:
            return Shape(self._absent(node.args[0]))
        if name == "histogram_quantile":
            return Shape(labels - {"le"}, scraped=first.scraped)
        if name in {"label_replace", "label_join"}:
            return Shape(labels | {node.args[1].val})
        return Shape(labels, counter=first.counter and name.endswith("_over_time"), scraped=first.scraped)

    def _absent(self, argument: Any) -> frozenset[str]:
        selector = argument.vector_selector if isinstance(argument, promql_parser.MatrixSelector) else argument
        if not isinstance(selector, promql_parser.VectorSelector):
            self._say("absent", f"absent() of {argument}: only of a plain series it says which one is missing")
            return frozenset()
        return frozenset(m.name for m in selector.matchers.matchers if str(m.op) == "MatchOp.Equal")

    def _aggregate(self, node: Any) -> Shape:
        inner, name = self._shape(node.expr), str(node.op)
        labels = inner.has
        if inner.counter and name not in _COUNTER_AGGREGATIONS:
            self._say("counter", f"{name}() of counters' raw samples: take the rate or increase first")
        modifier = node.modifier
        if name in _KEEPS_ELEMENTS:
            return inner
        if modifier is None:
            return Shape(frozenset())
        named = frozenset(modifier.labels)
        for label in sorted(named - labels):
            self._say("aggregation", f"{name}() by {label}, which {node.expr} does not have")
        by = str(modifier.type).endswith("By")
        return Shape(labels & named if by else labels - named)

    def _binary(self, node: Any) -> Shape:
        left, right, operator = self._shape(node.lhs), self._shape(node.rhs), str(node.op)
        if operator == "/" and not self._never_zero(node.rhs):
            self._say("nan", f"division by {node.rhs}, which may be 0")
        if left.is_scalar or right.is_scalar:
            vector = right if left.is_scalar else left
            if vector.counter and not _multiplies_by_zero(node):
                self._say("counter", f"{node.lhs} {operator} {node.rhs}: a counter's value says nothing by itself")
            return vector
        return self._matched(node, operator, left, right)

    def _never_zero(self, node: Any) -> bool:
        while isinstance(node, promql_parser.ParenExpr):
            node = node.expr
        if isinstance(node, promql_parser.NumberLiteral):
            return bool(node.val)
        if isinstance(node, promql_parser.VectorSelector):
            return node.name in _NEVER_ZERO
        if isinstance(node, promql_parser.AggregateExpr):
            # Of what is not there, there is no count.
            return str(node.op) in _COUNTER_AGGREGATIONS
        return isinstance(node, promql_parser.BinaryExpr) and str(node.op) in {">", ">=", "!="}

    def _matched(self, node: Any, operator: str, left: Shape, right: Shape) -> Shape:
        have, other = left.has, right.has
        modifier = node.modifier
        matching = modifier.matching if modifier else None
        if left.counter != right.counter and operator not in _SETS:
            self._say("counter", f"{node.lhs} {operator} {node.rhs}: one side is a counter's raw value")
        if matching is None:
            if have != other:
                self._say("match", f"{node.lhs} {operator} {node.rhs} never match: {_sides(have, other)}")
            return Shape(left.labels, counter=left.counter and operator in _FILTERS, scraped=left.scraped)
        if not str(matching.type).endswith("Include"):
            self._say("match", f"{operator} ignores labels: write which ones must be equal")
        on = frozenset(matching.labels)
        for label in sorted(on - (have & other)):
            self._say("match", f"{operator} on {label}, which only one side has or none: {_sides(have, other)}")
        if operator in _FILTERS:
            return left
        if str(modifier.card).endswith("OneToOne"):
            return Shape(on)
        kept = frozenset(modifier.group_labels or ())
        for label in sorted(kept - other):
            self._say("match", f"group_left({label}), which the other side has not")
        return Shape((left.labels or frozenset()) | kept, scraped=left.scraped)


def _multiplies_by_zero(node: Any) -> bool:
    sides = (node.lhs, node.rhs)
    return str(node.op) == "*" and any(isinstance(side, promql_parser.NumberLiteral) and not side.val for side in sides)


def _sides(left: frozenset[str], right: frozenset[str]) -> str:
    return f"{', '.join(sorted(left)) or 'no labels'} and {', '.join(sorted(right)) or 'no labels'}"


def compares(text: str) -> bool:
    """Whether an expression yields something only sometimes: it compares, subtracts sets, or asks what is absent."""
    operators = (str(node.op) for node in nodes(text) if isinstance(node, promql_parser.BinaryExpr))
    return uses_absent(text) or any(operator in _COMPARISONS or operator == "unless" for operator in operators)


def uses_absent(text: str) -> bool:
    """Whether an expression asks what is absent."""
    called = (node.func.name for node in nodes(text) if isinstance(node, promql_parser.Call))
    return any(name.startswith("absent") for name in called)


def nodes(text: str) -> Iterator[Any]:
    """Every node of a parsed expression."""
    return _below(promql_parser.parse(text))


def _below(node: Any) -> Iterator[Any]:
    yield node
    for name in ("expr", "lhs", "rhs", "vector_selector", "param"):
        child = getattr(node, name, None)
        if child is not None and not isinstance(child, str):
            yield from _below(child)
    for child in getattr(node, "args", None) or ():
        yield from _below(child)
