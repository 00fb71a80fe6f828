"""Steps that engines told of, as columns: pieces of runs' time with the weight that each sequence has in its step."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from inferometer.catalog.stages import Kind
from inferometer_exporters.columns.tables import Columns, take
from inferometer_exporters.ledger.runs import blank, identity
from inferometer_exporters.ledger.steps import Step, StepModel
from inferometer_exporters.ledger.weights import Active

MAX_ENGINES: Final = 256
"""Engines whose steps are fitted; of later ones a sequence weighs its tokens."""
MAX_PIECES: Final = 400_000
"""Pieces that wait for the sweep: of 32 sequences at 100 steps a second, two minutes."""
_COLUMNS: Final = (
    ("worker", "<u8"), ("execute_id", "<u8"), ("span_id", "<u8"), ("rank", "u1"), ("device", "<i8"),
    ("start", "<i8"), ("end", "<i8"), ("weight", "<i8"),
)  # fmt: skip


class ToldSteps:
    """Pieces that are not settled yet, and what was learned of each engine's steps."""

    def __init__(self) -> None:
        self._pieces = _none()
        self._models: dict[str, StepModel] = {}

    def __len__(self) -> int:
        return len(self._pieces["worker"])

    def add(self, steps: Sequence[Step], accounts: Callable[[str], Sequence[int]]) -> Columns:
        """Take in steps, and learn from them.

        Args:
            steps: in the order of their time.
            accounts: indices of the accounts of an execute's devices by its name.

        Returns:
            A row of the ledger's table for each run that has a part in one, as far as steps tell of it.
        """
        rows = [row for step in steps if step.end > step.start and step.parts for row in self._rows(step, accounts)]
        names = [name for name, _ in _COLUMNS]
        columns = np.array(rows, object).reshape(len(rows), len(names) + 1)
        pieces = {name: columns[:, index].astype(kind) for index, (name, kind) in enumerate(_COLUMNS)}
        self._pieces = {name: np.concatenate([self._pieces[name], pieces[name]]) for name in names}
        told: Columns = {name: pieces[name] for name in ("worker", "execute_id", "span_id", "rank", "device", "start")}
        told |= {"kind": columns[:, -1].astype(np.uint8), "told": pieces["end"]}
        told |= {"size": np.ones(len(rows), np.int64), "stepped": np.ones(len(rows), bool)}
        # Work of nobody has no run.
        return blank(take(told, told["span_id"] != 0))

    def _rows(self, step: Step, accounts: Callable[[str], Sequence[int]]) -> list[tuple[int, ...]]:
        model = self._models.get(step.engine)
        if model is None:
            model = StepModel()
            if len(self._models) < MAX_ENGINES:
                self._models[step.engine] = model
        weights = model.weights(step.parts).tolist()
        model.learn(step)
        devices = accounts(step.device)
        return [
            (part.worker, part.execute_id, part.span_id, rank, device, step.start, step.end, weight,
             int(Kind.DECODE if part.decodes else Kind.PREFILL))
            for rank, device in enumerate(devices)
            for part, weight in zip(step.parts, weights, strict=True)
        ]  # fmt: skip

    def active(self, device: int, rows: Columns, since: int, until: int) -> Active | None:
        """The part of a device's steps inside a window; None where there is none.

        Args:
            device: index of its account.
            rows: of runs on it; a piece without one belongs to nobody.
            since: CLOCK_MONOTONIC ns, as the next.
            until: end of the window.
        """
        pieces = self._pieces
        if not len(self):
            return None
        mine = (pieces["device"] == device) & (pieces["start"] < until) & (pieces["end"] > since)
        if not mine.any():
            return None
        pieces = take(pieces, mine)
        keys, wanted = identity(rows), identity(pieces)
        order = np.argsort(keys, kind="stable")
        at = np.minimum(np.searchsorted(keys, wanted, sorter=order), max(len(keys) - 1, 0))
        row = order[at] if len(keys) else np.zeros(len(wanted), np.int64)
        found = keys[row] == wanted if len(keys) else np.zeros(len(wanted), bool)
        begin, end = np.maximum(pieces["start"], since), np.minimum(pieces["end"], until)
        return Active(begin, end, pieces["weight"], np.where(found, row, -1))

    def settled(self, until: int) -> None:
        """Forget what was swept."""
        if len(self):
            self._pieces = take(self._pieces, self._pieces["end"] > until)

    def bounded(self) -> int:
        """Forget the oldest pieces that are too many; their number."""
        extra = len(self) - MAX_PIECES
        if extra > 0:
            self._pieces = {name: column[extra:] for name, column in self._pieces.items()}
        return max(extra, 0)

    def to_json(self) -> dict[str, Any]:
        """What was learned, as it stands in the state file; pieces are told in a table of their own."""
        return {engine: model.to_json() for engine, model in self._models.items()}

    @property
    def pieces(self) -> Columns:
        """The table of pieces."""
        return self._pieces

    def restore(self, models: Mapping[str, Any], pieces: Columns | None) -> None:
        """Go on where a state ended.

        Raises:
            KeyError: a part is missing.
            ValueError: a part is of another shape.
        """
        self._models = {engine: StepModel.from_json(data) for engine, data in models.items()}
        if pieces is not None:
            self._pieces = {name: pieces[name].astype(kind) for name, kind in _COLUMNS}


def _none() -> Columns:
    return {name: np.zeros(0, kind) for name, kind in _COLUMNS}
