"""Operators between two vectors that match on chosen labels, and the set operators."""

from inferometer.catalog.model import Label
from inferometer.promql.expression import Expr, same_labels


def divide(left: Expr, right: Expr, *, on: tuple[Label, ...], keep: tuple[Label, ...] = ()) -> Expr:
    """Left by right, matched on labels; many on the left to one on the right, of which labels in ``keep`` come along.

    Raises:
        CatalogError: a side does not carry one of the labels.
    """
    return _matched("/", left, right, on=on, keep=keep)


def multiply(left: Expr, right: Expr, *, on: tuple[Label, ...], keep: tuple[Label, ...] = ()) -> Expr:
    """Left times right, matched as :func:`divide` does.

    Raises:
        CatalogError: a side does not carry one of the labels.
    """
    return _matched("*", left, right, on=on, keep=keep)


def _matched(operator: str, left: Expr, right: Expr, *, on: tuple[Label, ...], keep: tuple[Label, ...]) -> Expr:
    left.require(on)
    right.require((*on, *keep))
    names = ", ".join(label.name for label in on)
    kept = f" ({', '.join(label.name for label in keep)})" if keep else " ()"
    return Expr(
        text=f"{left.operand} {operator} on ({names}) group_left{kept} {right.operand}",
        labels=(*left.labels, *(label.name for label in keep)),
        of=left.of,
        compound=True,
    )


def both(*expressions: Expr) -> Expr:
    """Elements of the first that are in all the others too; all carry the same labels.

    Raises:
        CatalogError: the labels differ, so that nothing would ever match.
    """
    first, *others = expressions
    for other in others:
        same_labels(first, other, "and")
    text = "\nand\n".join(expression.operand for expression in expressions)
    return Expr(text=text, labels=first.labels, of=first.of, compound=True)


def where(left: Expr, right: Expr, *, on: tuple[Label, ...]) -> Expr:
    """Elements of the left whose labels ``on`` stand somewhere on the right.

    Raises:
        CatalogError: a side does not carry one of the labels.
    """
    return _set("and", left, right, on=on)


def either(left: Expr, right: Expr) -> Expr:
    """Left, and where it has no element, right.

    Raises:
        CatalogError: the labels differ, so that both sides would always stand side by side.
    """
    same_labels(left, right, "or")
    return Expr(text=f"{left.operand} or {right.operand}", labels=left.labels, of=left.of, compound=True)


def unless(left: Expr, right: Expr, *, on: tuple[Label, ...]) -> Expr:
    """Elements of the left whose labels ``on`` stand nowhere on the right.

    Raises:
        CatalogError: a side does not carry one of the labels.
    """
    return _set("unless", left, right, on=on)


def _set(operator: str, left: Expr, right: Expr, *, on: tuple[Label, ...]) -> Expr:
    left.require(on)
    right.require(on)
    names = ", ".join(label.name for label in on)
    text = f"{left.operand}\n{operator} on ({names})\n{right.operand}"
    return Expr(text=text, labels=left.labels, of=left.of, compound=True)
