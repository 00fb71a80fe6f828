"""Spans that ended, and came, long before the request that they are of: kept until its root comes.

SGLang's stages are sent when they end, its root when the answer has ended: of a stream of a minute the wait in the
queue comes a minute before anybody knows of a request.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from inferometer.otlp.read import Value
from inferometer_exporters.columns.tables import Columns
from inferometer_exporters.receivers import messages
from inferometer_exporters.receivers.facts import Told
from inferometer_exporters.receivers.owners import Owned
from inferometer_exporters.receivers.span_tree import Batch, Key

MOST: Final = 50_000
"""Spans that are kept; beyond it the oldest are forgotten."""
LONGEST_NS: Final = 600 * 10**9
"""How long they are kept: of longer requests what came first is not told apart."""


class Early(NamedTuple):
    """A span that came early, as normalizers see it."""

    span_id: int
    name: str
    start: int
    end: int
    failed: bool
    attributes: Mapping[str, Value]

    def events(self) -> Mapping[str, int]:
        """None: those who keep spans want their names and times."""
        return {}

    def below(self) -> Sequence[Told]:
        """Spans below it are found as those below its request."""
        return ()


class Earlier:
    """Keeps spans without a request; used by one thread.

    Args:
        keeps: whether a span of this name may be a part of a request that comes later.
        wanted: attributes that normalizers look at.
    """

    def __init__(self, keeps: Callable[[str], bool], wanted: frozenset[str]) -> None:
        self._keeps = keeps
        self._wanted = wanted
        self._kept: dict[int, tuple[Key, int]] = {}
        """By span id, in the order in which they came: under which key, and when."""
        self._below: dict[Key, dict[int, Early]] = {}

    def keep(self, batch: Batch, spans: Columns, owned: Owned, now_ns: int) -> None:
        """Keep what may be a part of a request that comes later, and forget what waited too long."""
        lower = (spans["kind"] <= messages.INTERNAL) & (spans["parent_id"] != 0)
        for row in np.flatnonzero(lower & (owned.request == 0) & ~batch.ours).tolist():
            span = batch.spans[row]
            name = span.name
            own = int(spans["span_id"][row])
            if own in self._kept or not self._keeps(name):
                continue
            key = int(spans["trace_hi"][row]), int(spans["trace_lo"][row]), int(spans["parent_id"][row])
            start = int(spans["wall_ns"][row])
            end = start + int(spans["duration_ns"][row])
            said = messages.wanted(span, self._wanted)
            self._kept[own] = key, now_ns
            self._below.setdefault(key, {})[own] = Early(own, name, start, end, messages.failed(span), said)
        self._forget(now_ns)

    def below(self, key: Key) -> Sequence[Early]:
        """Spans that came early and whose parent this is."""
        return tuple(self._below.get(key, {}).values())

    def _forget(self, now_ns: int) -> None:
        old: list[int] = []
        for own, (_, came) in self._kept.items():
            if came >= now_ns - LONGEST_NS and len(self._kept) - len(old) <= MOST:
                break
            old.append(own)
        for own in old:
            key, _ = self._kept.pop(own)
            below = self._below[key]
            del below[own]
            if not below:
                del self._below[key]
