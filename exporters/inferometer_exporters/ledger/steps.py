"""Steps of an engine's batch, and what each sequence in one owes: the closed form of the Shapley value.

A step that takes ``t0 + a·P + b·n + c·K`` (P new prefill tokens, n decoding sequences, K tokens of their context) is a
sum of what each sequence adds and of a part that none adds; the Shapley value of such a sum is an equal part of ``t0``
and what the sequence adds itself. Shares are of the measured time of the step, so they add up however good the fit is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inferometer_exporters.columns.tables import Ints

Floats = NDArray[np.float64]

WARM_UP: Final = 24
"""Steps that are seen before the fit is trusted; until then a sequence weighs as many tokens as it computes."""
FORGET: Final = 0.999
"""How much a step's weight in the fit falls with each later step: half after 700."""
_REFIT: Final = 16
"""Steps between two fits, once the fit is trusted."""
_RIDGE: Final = 1e-9
_SCALES: Final = np.array([1.0, 1e-3, 1e-1, 1e-5])
"""Brings the regressors to about 1: a thousand prefill tokens, ten sequences, a hundred thousand tokens of context."""
_FINE: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One sequence's part in a step."""

    worker: int
    """As rows of runs name it: the first 8 bytes of the worker's id."""
    span_id: int
    """Of the request; 0 for work of nobody."""
    execute_id: int
    """Of this phase of the request: prefill and decode are runs of their own."""
    prefill: int = 0
    """Prompt tokens that this step computes, without those that a cache had."""
    context: int = 0
    """Tokens in the cache that a decoding sequence reads."""

    @property
    def decodes(self) -> bool:
        """Whether the sequence gets its next token here, and is not prefilled."""
        return not self.prefill


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of an engine: what ran on its devices between two moments."""

    device: str
    """As executes name it; several devices with commas between."""
    engine: str
    """What is fitted together: the engine, its model and how it is spread over devices."""
    start: int
    """CLOCK_MONOTONIC ns, as the next."""
    end: int
    parts: tuple[Part, ...]


class StepModel:
    """Learns what a step's time is made of, with every step; coefficients are never below 0.

    The least squares of the steps so far, of which old ones count less and less.
    """

    def __init__(self) -> None:
        self._squares = np.zeros((4, 4))
        self._products = np.zeros(4)
        self._seen = 0
        self._coefficients = np.zeros(4)

    @property
    def coefficients(self) -> tuple[float, ...]:
        """t0, a, b, c in ns, ns per token, ns per sequence, ns per token of context; 0 before anything is learned."""
        return tuple((self._coefficients * _SCALES).tolist())

    def weights(self, parts: Sequence[Part]) -> Ints:
        """Weights of the sequences of a step; their mean is 2^20, equal sequences weigh the same, none weighs 0."""
        prefill = np.array([part.prefill for part in parts], np.float64)
        context = np.array([part.context for part in parts], np.float64)
        decodes = np.array([part.decodes for part in parts], np.float64)
        if self._seen >= WARM_UP:
            t0, a, b, c = self.coefficients
            raw = t0 / len(parts) + a * prefill + (b + c * context) * decodes
        else:
            raw = prefill + decodes
        mean = float(raw.mean())
        if mean <= 0:
            raw, mean = np.ones(len(parts)), 1.0
        weights: Ints = np.maximum(np.rint(raw * (_FINE / mean)), 1).astype(np.int64)
        return weights

    def learn(self, step: Step) -> None:
        """Take in how long a step took."""
        decoding = [part for part in step.parts if part.decodes]
        regressors = np.array(
            [
                1.0,
                sum(part.prefill for part in step.parts),
                len(decoding),
                sum(part.context for part in decoding),
            ]
        )
        regressors *= _SCALES
        self._squares = FORGET * self._squares + np.outer(regressors, regressors)
        self._products = FORGET * self._products + regressors * (step.end - step.start)
        self._seen += 1
        if self._seen <= 2 * WARM_UP or self._seen % _REFIT == 0:
            self._coefficients = _least_squares(self._squares, self._products)

    def to_json(self) -> dict[str, Any]:
        """The form in which it stands in the state file."""
        return {"squares": self._squares.tolist(), "products": self._products.tolist(), "seen": self._seen}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "StepModel":
        """Read it.

        Raises:
            KeyError: a part is missing.
            ValueError: a part is of another shape.
        """
        model = cls()
        model._squares = np.array(data["squares"], np.float64).reshape(4, 4)
        model._products = np.array(data["products"], np.float64).reshape(4)
        model._seen = int(data["seen"])
        model._coefficients = _least_squares(model._squares, model._products)
        return model


def _least_squares(squares: Floats, products: Floats) -> Floats:
    """Coefficients of which none is below 0 with the least error: the best of all choices of which are 0."""
    ridge = squares + np.eye(4) * (_RIDGE * max(float(np.trace(squares)), 1.0))
    best, least = np.zeros(4), 0.0
    for count in range(1, 5):
        for chosen in combinations(range(4), count):
            index = list(chosen)
            found = np.linalg.solve(ridge[np.ix_(index, index)], products[index])
            if (found < 0).any():
                continue
            # Of the squared error the part that depends on the coefficients.
            error = float(-found @ products[index])
            if error < least:
                least = error
                best = np.zeros(4)
                best[index] = found
    return best
