"""Spans of several bodies by row, who sent them, and what is below each of them."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import Final, Protocol

import numpy as np

from inferometer_exporters.columns.tables import Columns
from inferometer_exporters.receivers import messages
from inferometer_exporters.receivers.enrichment import Home, Sender, completed
from inferometer_exporters.receivers.facts import Facts, Told
from inferometer_exporters.receivers.incoming import Incoming
from inferometer_exporters.receivers.seen import Seen

_OURS: Final = "inferometer"
"""Scope of spans that this library made: their requests are recorded, by whoever made them."""
_MOST_BELOW: Final = 1_000
"""Spans below one request that are looked at."""


Key = tuple[int, int, int]
"""Of a trace, in two halves, and of a span in it."""


class Below(Told, Protocol):
    """A span below another."""

    @property
    def span_id(self) -> int:
        """Its id."""


def _nothing(_: Key) -> Sequence[Below]:
    return ()


class Batch:
    """Spans of several requests by row, and who sent them."""

    def __init__(self, requests: Sequence[Incoming], home: Home) -> None:
        self.spans: list[messages.Span] = []
        self.senders: list[Sender] = []
        sizes: list[int] = []
        senders: list[int] = []
        ours: list[bool] = []
        self.generated: dict[int, Facts] = {}
        """What is known already of rows, if no engine knows better."""
        self.marks: list[frozenset[bytes] | None] = []
        self._counts: list[int] = []
        for request in requests:
            first = len(self.spans)
            self.generated.update((first + place, facts) for place, facts in request.generated.items())
            self.spans += request.spans
            self.marks.append(request.marks)
            self._counts.append(len(request.spans))
            first = len(self.senders)
            where = home if request.near else None
            self.senders += [completed(one.resource, where) for one in request.message.resource_spans]
            for group in request.groups:
                sizes.append(group.count)
                senders.append(first + group.resource)
                ours.append(group.scope == _OURS)
        self.of = np.repeat(np.array(senders, np.int64), sizes)
        """Index of each span's sender."""
        self.ours = np.repeat(np.array(ours, bool), sizes)
        """Whether this library made it."""

    def parts(self) -> Iterator[tuple[int, int, frozenset[bytes] | None]]:
        """First and last row of the spans of each body, and the marks in it."""
        last = 0
        for count, marks in zip(self._counts, self.marks, strict=True):
            first, last = last, last + count
            yield first, last, marks

    def with_more(self, other: "Batch") -> "Batch":
        """This and, behind it, another."""
        both = Batch((), Home(host=""))
        both.spans = self.spans + other.spans
        both.senders = self.senders + other.senders
        both.of = np.concatenate([self.of, other.of + len(self.senders)])
        both.ours = np.concatenate([self.ours, other.ours])
        return both


class Tree:
    """Spans as normalizers see them, with what is below each of them.

    Args:
        batch: the spans.
        spans: their columns.
        wanted: attributes that normalizers look at.
        ahead: the first row of spans that still wait; None: there are none.
        earlier: spans that went on before, by their parent.
    """

    def __init__(
        self,
        batch: Batch,
        spans: Columns,
        wanted: frozenset[str],
        ahead: int | None = None,
        earlier: Callable[[Key], Sequence[Below]] = _nothing,
    ) -> None:
        self._batch = batch
        self._spans = spans
        self._wanted = wanted
        self._ahead = ahead
        self._earlier = earlier
        self.looked: set[int] = set()
        """Ids of spans that wait and were looked at."""

    def told(self, row: int) -> Told:
        """A span by its row."""
        return Seen(self._batch.spans[row], self._wanted, partial(self.below, row))

    def below(self, row: int) -> list[Told]:
        """Spans below one, the nearest first; each once, however often a sender that heard no answer sent it."""
        trace = int(self._spans["trace_hi"][row]), int(self._spans["trace_lo"][row])
        found: dict[int, Told] = {}
        own = int(self._spans["span_id"][row])
        level = [own]
        while level and len(found) < _MOST_BELOW:
            below: dict[int, Told] = {}
            for parent in level:
                below |= self._right_below((*trace, parent))
            level = [one for one in below if one not in found and one != own]
            found |= {one: below[one] for one in level}
        return list(found.values())[:_MOST_BELOW]

    def _right_below(self, key: Key) -> dict[int, Told]:
        """Spans whose parent this is, by their ids."""
        found: dict[int, Told] = {one.span_id: one for one in self._earlier(key)}
        for row in self._children.get(key, ()):
            own = int(self._spans["span_id"][row])
            found[own] = self.told(row)
            if self._ahead is not None and row >= self._ahead:
                self.looked.add(own)
        return found

    @cached_property
    def _children(self) -> dict[tuple[int, int, int], list[int]]:
        """Rows by trace and parent; only made where an engine's spans are asked for."""
        found: dict[tuple[int, int, int], list[int]] = {}
        columns = (self._spans[name].tolist() for name in ("trace_hi", "trace_lo", "parent_id"))
        for row, key in enumerate(zip(*columns, strict=True)):
            found.setdefault(key, []).append(row)
        return found
