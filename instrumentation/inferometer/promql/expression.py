"""An expression that knows which labels its result carries and whether it holds numbers or histograms."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from inferometer.catalog.model import Label
from inferometer.errors import CatalogError

Number = int | float | Decimal


class Holds(Enum):
    """What each element of a result is."""

    SCALAR = "a number without labels"
    NUMBERS = "numbers"
    HISTOGRAMS = "native histograms"


def number(value: Number) -> str:
    """A number as PromQL reads it, without an exponent and without binary rounding noise."""
    return f"{Decimal(str(value)).normalize():f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expr:
    """A PromQL expression; compare and calculate with Python's operators.

    Between two expressions both sides must carry the same labels; :func:`divide` and its like match on fewer.

    Attributes:
        text: The query.
        labels: Names of the labels that the result carries.
        of: What it was made from, for messages.
        holds: Numbers, histograms or a scalar.
        compound: Whether it must stand in parentheses inside another expression.
    """

    text: str
    labels: tuple[str, ...]
    of: str
    holds: Holds = Holds.NUMBERS
    compound: bool = False

    def __str__(self) -> str:
        return self.text

    @property
    def operand(self) -> str:
        """The text as a part of another expression."""
        return f"({self.text})" if self.compound else self.text

    def require(self, labels: Iterable[Label]) -> None:
        """Check that the result carries labels.

        Raises:
            CatalogError: one is missing.
        """
        for label in labels:
            if label.name not in self.labels:
                has = ", ".join(self.labels) if self.labels else "none"
                raise CatalogError(f"{self.of} has no label {label.name}; it has {has}")

    def __add__(self, other: "Expr | Number") -> "Expr":
        return self._calculate("+", other)

    def __sub__(self, other: "Expr | Number") -> "Expr":
        return self._calculate("-", other)

    def __mul__(self, other: "Expr | Number") -> "Expr":
        return self._calculate("*", other)

    def __truediv__(self, other: "Expr | Number") -> "Expr":
        return self._calculate("/", other)

    def __gt__(self, other: "Expr | Number") -> "Expr":
        return self._calculate(">", other)

    def __ge__(self, other: "Expr | Number") -> "Expr":
        return self._calculate(">=", other)

    def __lt__(self, other: "Expr | Number") -> "Expr":
        return self._calculate("<", other)

    def __le__(self, other: "Expr | Number") -> "Expr":
        return self._calculate("<=", other)

    def equals(self, other: "Expr | Number") -> "Expr":
        """Elements that are equal to the other side."""
        return self._calculate("==", other)

    def __rsub__(self, other: Number) -> "Expr":
        return Expr(
            text=f"{number(other)} - {self.operand}",
            labels=self.labels,
            of=self.of,
            holds=self.holds,
            compound=True,
        )

    def __rmul__(self, other: Number) -> "Expr":
        return Expr(
            text=f"{number(other)} * {self.operand}",
            labels=self.labels,
            of=self.of,
            holds=self.holds,
            compound=True,
        )

    def _calculate(self, operator: str, other: "Expr | Number") -> "Expr":
        if not isinstance(other, Expr):
            text = f"{self.operand} {operator} {number(other)}"
            return Expr(text=text, labels=self.labels, of=self.of, holds=self.holds, compound=True)
        same_labels(self, other, operator)
        labels = self.labels if self.holds is not Holds.SCALAR else other.labels
        text = f"{self.operand} {operator} {other.operand}"
        return Expr(text=text, labels=labels, of=self.of, compound=True)


def same_labels(left: Expr, right: Expr, operator: str) -> None:
    """Check that two sides match element by element.

    Raises:
        CatalogError: they carry different labels, so that nothing would ever match.
    """
    if Holds.SCALAR not in {left.holds, right.holds} and set(left.labels) != set(right.labels):
        raise CatalogError(
            f"{left.of} {operator} {right.of} matches nothing: labels {', '.join(left.labels) or 'none'} and "
            f"{', '.join(right.labels) or 'none'}; aggregate, or match on the labels that both have"
        )
