"""Which spans are requests that nobody recorded, what they say, and which came too late for one of them."""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Final

import numpy as np

from inferometer_exporters.columns.tables import Columns, Ints, Mask
from inferometer_exporters.receivers import messages
from inferometer_exporters.receivers.facts import GENERATION, Facts, Normalizer, with_model
from inferometer_exporters.receivers.incoming import MARKS
from inferometer_exporters.receivers.owners import Owned, inherit
from inferometer_exporters.receivers.records import Told
from inferometer_exporters.receivers.span_tree import Batch, Tree

_REMEMBERED: Final = 100_000
"""Requests made of spans: a sender that heard no answer sends the same ones again."""


class Asking:
    """Asks normalizers about spans, and knows which became requests; used by one thread.

    Args:
        normalizers: know what spans say of requests, in the order in which they are asked.
        only_model: the model of a service that has one only, empty for others: vLLM's spans name none.
    """

    def __init__(self, normalizers: tuple[Normalizer, ...], only_model: Callable[[str], str]) -> None:
        self._normalizers = normalizers
        self._only_model = only_model
        self._inner = {name.encode(): name for one in normalizers for name in one.inner}
        self.wanted = frozenset[str]().union(*(one.names for one in normalizers))
        """Attributes that they look at."""
        self._early = tuple({one.early for one in normalizers})
        self._made: dict[int, None] = {}
        self._ahead: set[int] = set()

    def keeps(self, name: str) -> bool:
        """Whether a span of this name may come long before the request that it is of."""
        return any(early(name) for early in self._early)

    def told(self, batch: Batch, spans: Columns, owned: Owned, tree: Tree) -> Iterable[Told]:
        """Spans that are requests which nobody recorded.

        Args:
            batch: the spans.
            spans: their columns.
            owned: to which requests they belong.
            tree: the spans, and those that wait.
        """
        # SGLang's requests are roots of no kind.
        served = spans["kind"] == messages.SERVER
        root = (spans["kind"] <= messages.INTERNAL) & (spans["parent_id"] == 0)
        others = ~batch.ours & (owned.request != spans["span_id"])
        candidates = (served | root) & others
        lower = (spans["kind"] <= messages.INTERNAL) & (spans["parent_id"] != 0) & others
        anywhere = frozenset().union(*(marks for marks in batch.marks if marks is not None))
        unknown = None in batch.marks
        for first, last, marks in batch.parts():
            asked = self._asked(None if marks is None or unknown else marks, anywhere)
            rows = np.flatnonzero(candidates[first:last]) + first
            names = {name for mark, name in self._inner.items() if marks is None or mark in marks}
            if names:
                below = (np.flatnonzero(lower[first:last]) + first).tolist()
                named = [row for row in below if batch.spans[row].name in names]
                rows = np.sort(np.append(rows, np.array(named, rows.dtype)))
            if asked and len(rows):
                yield from self._told_of(rows, batch, (spans, served, owned), tree, asked)

    def _asked(self, marks: frozenset[bytes] | None, anywhere: frozenset[bytes]) -> tuple[Normalizer, ...]:
        """Who may know spans of a body that has these marks, where others that came with it have *anywhere*."""
        if marks is None:
            return self._normalizers
        # What is below a request may have come in another body.
        return tuple(
            one
            for one in self._normalizers
            if one.mark not in MARKS or one.mark in (marks if one is GENERATION else anywhere)
        )

    def _told_of(
        self,
        rows: Ints,
        batch: Batch,
        known: tuple[Columns, Mask, Owned],
        tree: Tree,
        asked: Sequence[Normalizer],
    ) -> Iterable[Told]:
        spans, served, owned = known
        columns = (rows, spans["span_id"][rows], served[rows], owned.request[rows], batch.of[rows])
        roots = [one for one in asked if one.roots]
        # Where TGI's spans are about, it is asked first.
        alone = not any(one.mark for one in asked if one is not GENERATION)
        for row, own, is_served, owner, of in zip(*(column.tolist() for column in columns), strict=True):
            if own in self._made:
                continue
            facts = batch.generated.get(row) if alone else None
            if facts is None:
                facts = self._facts(batch.spans[row].name, row, tree, asked if is_served else roots)
            if facts is None:
                continue
            self._remember(own)
            sender = batch.senders[of]
            if not facts.model and (model := self._only_model(sender.service)):
                facts = with_model(facts, model)
            yield Told(row, facts, sender, not owner)

    def _facts(self, name: str, row: int, tree: Tree, asked: Sequence[Normalizer]) -> Facts | None:
        mine = [one for one in asked if one.called(name)]
        if not mine:
            return None
        span = tree.told(row)
        facts = next((facts for ask in mine if (facts := ask(span)) is not None), None)
        if facts is not None:
            self._ahead.update(tree.looked)
        tree.looked.clear()
        return facts

    def _remember(self, span_id: int) -> None:
        self._made[span_id] = None
        if len(self._made) > _REMEMBERED:
            # Many at once: a dictionary's first key is searched for among those that were deleted.
            for oldest in list(islice(self._made, _REMEMBERED // 4)):
                del self._made[oldest]

    def late(self, spans: Columns, owned: Owned) -> Mask:
        """Spans below a request that was made of other spans before; they belong to it."""
        orphans = (owned.request == 0) & (spans["parent_id"] != 0)
        made = set(spans["parent_id"][orphans].tolist()) & self._made.keys()
        if made:
            below = orphans & np.isin(spans["parent_id"], np.array(list(made), np.uint64))
            owned.request[below] = spans["parent_id"][below]
            owned.known[np.isin(spans["trace_lo"], spans["trace_lo"][below])] = True
            inherit(spans, owned)
        mine = set(owned.request[owned.request != 0].tolist()) & self._made.keys()
        if not mine:
            return np.zeros(len(orphans), bool)
        late: Mask = np.isin(owned.request, np.array(list(mine), np.uint64)) & (owned.request != spans["span_id"])
        if self._ahead:
            # Their request was made with them while they waited.
            seen = [span_id in self._ahead for span_id in spans["span_id"].tolist()]
            self._ahead.difference_update(spans["span_id"][seen].tolist())
            late &= ~np.array(seen)
        return late
