"""Functions and aggregations of PromQL that inferometer uses; each checks what it is given."""

import re
from dataclasses import replace
from typing import Final

from inferometer.catalog.model import Label
from inferometer.errors import CatalogError
from inferometer.promql.expression import Expr, Holds, Number, number
from inferometer.promql.selector import Selector

_WINDOW: Final = re.compile(r"(?:[0-9]+(?:ms|[smhdwy]))+|\$__rate_interval|\$__range|\$__interval", re.ASCII)


def _window(text: str) -> str:
    if not _WINDOW.fullmatch(text):
        raise CatalogError(f"{text!r} is no window; write 5m, or a variable of Grafana such as $__rate_interval")
    return text


def rate(selector: Selector, window: str) -> Expr:
    """Increase per second over a window.

    Raises:
        CatalogError: the series is no counter, or the window is none.
    """
    return _of_counter("rate", selector, window)


def increase(selector: Selector, window: str) -> Expr:
    """Increase over a window; a restart of the counter is not a fall.

    Raises:
        CatalogError: the series is no counter, or the window is none.
    """
    return _of_counter("increase", selector, window)


def _of_counter(function: str, selector: Selector, window: str) -> Expr:
    if not selector.is_counter:
        raise CatalogError(f"{selector.of} is a {selector.family.kind}; {function}() is for counters")
    return _over(function, selector, window)


def sum_over_time(selector: Selector, window: str) -> Expr:
    """Sum of the samples in a window.

    Raises:
        CatalogError: the series is a counter, whose samples must not be added up, or the window is none.
    """
    if selector.is_counter:
        raise CatalogError(f"{selector.of} is a {selector.family.kind}; its samples must not be added up")
    return _over("sum_over_time", selector, window)


def average_over_time(selector: Selector, window: str) -> Expr:
    """Mean of the samples in a window.

    Raises:
        CatalogError: the window is none.
    """
    return _over("avg_over_time", selector, window)


def max_over_time(selector: Selector, window: str) -> Expr:
    """Largest sample in a window.

    Raises:
        CatalogError: the window is none.
    """
    return _over("max_over_time", selector, window)


def last_over_time(selector: Selector, window: str) -> Expr:
    """Newest sample in a window: what a series last was, also where it is gone now.

    Raises:
        CatalogError: the window is none.
    """
    return _over("last_over_time", selector, window)


def _over(function: str, selector: Selector, window: str) -> Expr:
    text = f"{function}({selector.text}[{_window(window)}])"
    return Expr(text=text, labels=selector.labels, of=selector.of, holds=selector.holds)


def offset(expr: Expr, by: str) -> Expr:
    """An expression of selectors as it was some time ago: ``offset`` behind the last bracket or selector.

    Raises:
        CatalogError: the duration is none, or the expression is a calculation.
    """
    if expr.compound:
        raise CatalogError(f"only a selector or a function of one has an offset, not {expr.text}")
    shift = f" offset {_window(by)}"
    text = f"{expr.text[:-1]}{shift})" if expr.text.endswith("])") else f"{expr.text}{shift}"
    return replace(expr, text=text)


def sum_by(expr: Expr, *labels: Label) -> Expr:
    """Sum per value of the labels; over everything where none is given.

    Raises:
        CatalogError: the expression does not carry a label.
    """
    return _aggregate("sum", expr, labels)


def max_by(expr: Expr, *labels: Label) -> Expr:
    """Largest per value of the labels.

    Raises:
        CatalogError: the expression does not carry a label.
    """
    return _aggregate("max", expr, labels)


def min_by(expr: Expr, *labels: Label) -> Expr:
    """Smallest per value of the labels.

    Raises:
        CatalogError: the expression does not carry a label.
    """
    return _aggregate("min", expr, labels)


def average_by(expr: Expr, *labels: Label) -> Expr:
    """Mean per value of the labels.

    Raises:
        CatalogError: the expression does not carry a label.
    """
    return _aggregate("avg", expr, labels)


def count_by(expr: Expr, *labels: Label) -> Expr:
    """Number of elements per value of the labels.

    Raises:
        CatalogError: the expression does not carry a label.
    """
    return replace(_aggregate("count", expr, labels), holds=Holds.NUMBERS)


def group_by(expr: Expr, *labels: Label) -> Expr:
    """1 per value of the labels: which of them exist.

    Raises:
        CatalogError: the expression does not carry a label.
    """
    return replace(_aggregate("group", expr, labels), holds=Holds.NUMBERS)


def _aggregate(function: str, expr: Expr, labels: tuple[Label, ...]) -> Expr:
    expr.require(labels)
    names = tuple(label.name for label in labels)
    by = f" by ({', '.join(names)}) " if names else ""
    return Expr(text=f"{function}{by}({expr.text})", labels=names, of=expr.of, holds=expr.holds)


def top(count: int, expr: Expr) -> Expr:
    """The largest elements, with their labels."""
    return replace(expr, text=f"topk({count}, {expr.text})", compound=False)


def quantile(q: Number, expr: Expr) -> Expr:
    """The *q* quantile of histograms, in the family's own unit.

    Raises:
        CatalogError: the expression holds no histograms, native ones or classic buckets with their ``le``.
    """
    classic = "le" in expr.labels
    if expr.holds is not Holds.HISTOGRAMS and not classic:
        raise CatalogError(f"{expr.of} holds numbers; a quantile needs histograms, or buckets with the label le")
    labels = tuple(label for label in expr.labels if label != "le")
    return Expr(text=f"histogram_quantile({number(q)}, {expr.text})", labels=labels, of=expr.of)


def absolute(expr: Expr) -> Expr:
    """Values without their sign."""
    return replace(expr, text=f"abs({expr.text})", compound=False)


def rounded(expr: Expr, to: Number) -> Expr:
    """Values as the nearest multiple of a number."""
    return replace(expr, text=f"round({expr.text}, {number(to)})", compound=False)


def at_most(expr: Expr, limit: Number) -> Expr:
    """Values, those above a limit cut to it.

    Raises:
        CatalogError: the expression holds no numbers.
    """
    if expr.holds is not Holds.NUMBERS:
        raise CatalogError(f"{expr.of} holds {expr.holds.value}; only numbers have a limit")
    return replace(expr, text=f"clamp_max({expr.text}, {number(limit)})", compound=False)


def absent(selector: Selector) -> Expr:
    """1 where no series matches; carries no label here, because Prometheus keeps those of equality matchers only."""
    return Expr(text=f"absent({selector.text})", labels=(), of=selector.of)


def scalar(value: Number) -> Expr:
    """A constant as a vector of one element without labels."""
    return Expr(text=f"vector({number(value)})", labels=(), of="a constant")


def time() -> Expr:
    """The moment of the evaluation, in seconds since the epoch; a number without labels."""
    return Expr(text="time()", labels=(), of="the time", holds=Holds.SCALAR)
