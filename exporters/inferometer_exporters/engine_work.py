"""What foreign engines work on the devices of this host: by their spans, request by request, and by their pages.

Spans become runs, which share a device as those of instrumented workers do. What a page tells beyond that becomes
claims of models (`ledger.claims`). Which device an engine runs on is said in fleet.yaml, or there is only one.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from inferometer.catalog import gpus
from inferometer_exporters.columns.tables import Columns
from inferometer_exporters.engines.scrape import Scraped
from inferometer_exporters.engines.usage import Usage
from inferometer_exporters.ledger.inventory import GPU
from inferometer_exporters.ledger.ledger import Ledger
from inferometer_exporters.ledger.methods import Method
from inferometer_exporters.ledger.prices import portions
from inferometer_exporters.ledger.runs import made
from inferometer_exporters.source import Sample

SEEN_NS: Final = 60 * 10**9
"""After it was last heard of, an engine keeps its devices warm for so long: four scrapes."""
MOST_LAG_NS: Final = 120 * 10**9
"""The ledger waits for spans of a request for at most so long; of longer ones the beginning is late."""
MARGIN_NS: Final = 2 * 10**9
"""How much longer than the latest spans so far needed."""
_REMEMBERED_NS: Final = 120 * 10**9
_SECOND: Final = 10**9
_LOCAL: Final = frozenset({"localhost", "::1"})
Number = Callable[[tuple[str, ...]], int]
"""The recorder's number of a label set (``layout.SHAPE_FIELDS``)."""


def source_of(service: str) -> int:
    """What stands for a service in the ledger, and for its engine where a worker would stand."""
    return _digest(service)


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") | 1


class EngineWork:
    """Knows where engines run, and makes rows of the ledger's table of what they tell.

    Args:
        pages: that are scraped.
        host: name of this host.
        resolve: our name of a device that somebody names.
    """

    def __init__(self, pages: Sequence[Scraped], host: str, resolve: Callable[[str], str]) -> None:
        self._host = host
        self._resolve = resolve
        self._pages = {(page.service, page.replica): page for page in pages}
        self._services: dict[str, list[Scraped]] = {}
        for page in pages:
            self._services.setdefault(page.service, []).append(page)
        self._seen: dict[int, int] = {}
        self._active: dict[tuple[int, str], tuple[int, float]] = {}
        self._utilization: dict[str, deque[tuple[int, float]]] = {}

    def watch(self, samples: Sequence[Sample]) -> None:
        """Take in how busy GPUs are."""
        for sample in samples:
            for reading in sample.readings:
                if reading.entry is gpus.GPU_UTILIZATION:
                    told = self._utilization.setdefault(reading.labels[0], deque())
                    if not told or told[-1][0] < sample.read_ns:
                        told.append((sample.read_ns, float(reading.value)))
                    while told[0][0] < sample.read_ns - _REMEMBERED_NS:
                        told.popleft()

    def busy(self, device: str, begin: int, end: int) -> float | None:
        """Mean utilization of a device between two moments, 0-1; None where nobody read it."""
        told = [value for at, value in self._utilization.get(device, ()) if begin < at <= end]
        return sum(told) / len(told) if told else None

    def warm(self, device: int, now: int) -> bool:
        """Whether an engine was heard of that runs on a device, by the index of its account."""
        return now - self._seen.get(device, -SEEN_NS) < SEEN_NS

    def accounts(self, ledger: Ledger, page: Scraped) -> tuple[int, ...]:
        """Accounts of the devices that the engine of a page runs on; none where that is not known, or elsewhere."""
        if page.devices:
            found = [ledger.index(self._resolve(name.strip())) for name in page.devices.split(",")]
            return tuple(index for index in found if index is not None and not ledger.accounts[index].closed)
        host = page.url.host
        if host not in _LOCAL and host != self._host and not host.startswith("127."):
            return ()
        return self._only(ledger) or (0,) * (not self._gpus(ledger))

    def _gpus(self, ledger: Ledger) -> list[int]:
        return [
            index
            for index, account in enumerate(ledger.accounts)
            if account.device.kind == GPU and not account.closed and account.device.parts == account.device.whole
        ]

    def _only(self, ledger: Ledger) -> tuple[int, ...]:
        """The GPU of a host that has one."""
        gpus = self._gpus(ledger)
        return tuple(gpus) if len(gpus) == 1 else ()

    def of_spans(self, ledger: Ledger, service: str, host: str) -> tuple[int, ...]:
        """Accounts of the GPUs that a service whose spans came runs on; none where that is not known.

        Spans come after their requests, and a ledger that waits for them keeps everybody else on a device waiting:
        that is done for GPUs, not for the host.
        """
        pages = self._services.get(service, ())
        groups = {self.accounts(ledger, page) for page in pages}
        if not pages:
            groups = {self._only(ledger)} if host == self._host else set()
        found = groups.pop() if len(groups) == 1 else ()
        source = source_of(service)
        taken = any(ledger.source(worker) == source for index in found for worker in ledger.accounts[index].users)
        # A worker of the same service tells of these runs itself.
        return () if taken or 0 in found else found

    def heard(self, ledger: Ledger, accounts: Sequence[int], now: int, *, oldest: int | None = None) -> None:
        """An engine told of its work on these devices.

        Args:
            ledger: of the devices.
            accounts: their indices.
            now: CLOCK_MONOTONIC ns.
            oldest: where spans told of it: the begin of the first of them.
        """
        for index in accounts:
            self._seen[index] = now
            account = ledger.accounts[index]
            if index:
                account.engine = True
            if oldest is not None:
                account.lag = min(max(account.lag, ledger.until - oldest + MARGIN_NS), MOST_LAG_NS)

    def claims(self, ledger: Ledger, usages: Sequence[Usage], number: Number, now: int) -> Columns:
        """Rows of the ledger's table for what pages tell."""
        rows: list[Mapping[str, int]] = []
        for usage in usages:
            page = self._pages.get((usage.service, usage.replica))
            accounts = () if page is None else self.accounts(ledger, page)
            self.heard(ledger, accounts, now)
            source = source_of(usage.service)
            worker = _digest(f"{usage.service} {usage.replica}")
            ledger.belongs(worker, source)
            ledger.belongs(source, source)
            for rank, index in enumerate(accounts):
                rows += self._claims(ledger, usage, index, (worker, rank), number)
        return made(rows)

    def _claims(
        self, ledger: Ledger, usage: Usage, index: int, who: tuple[int, int], number: Number
    ) -> list[Mapping[str, int]]:
        account = ledger.accounts[index]
        span = usage.end - usage.begin
        weights = np.rint([part.amount * 1e6 for part in usage.parts]).astype(np.int64)
        total = self._worked(usage, index, account.device.name)
        if not total or not weights.any():
            return []
        # What was settled before anybody told of it cannot be given to somebody: the claim is on the time that follows.
        begin = max(usage.begin, account.since)
        labelled = [
            (number((usage.service, part.model, part.version, part.region, "", "", "", "")), int(part.phase))
            for part in usage.parts
        ]
        return [
            {
                "worker": who[0], "rank": who[1], "execute_id": usage.begin, "span_id": place + 1, "device": index,
                "start": begin, "end": begin + span, "release": begin + span, "size": 1, "final": 1, "engine": 1,
                "claim": ns, "way": int(usage.method), "labels": labels, "kind": kind,
            }
            for place, ((labels, kind), ns) in enumerate(zip(labelled, portions(total, weights).tolist(), strict=True))
            if ns
        ]  # fmt: skip

    def _worked(self, usage: Usage, index: int, device: str) -> int:
        """Ns that an engine worked on one of its devices."""
        span = usage.end - usage.begin
        told = min(round(usage.seconds * _SECOND), span)
        if usage.method is not Method.TOKENS:
            return told
        weight = sum(part.amount for part in usage.parts)
        key = f"{usage.service} {usage.replica}"
        self._active[index, key] = (usage.end, weight)
        busy = self.busy(device, usage.begin, usage.end)
        if busy is None:
            return told
        # Several engines that count tokens alone divide what the device was busy by them.
        others = sum(
            amount
            for (on, name), (at, amount) in self._active.items()
            if on == index and name != key and at > usage.begin - span
        )
        return min(round(busy * span * weight / (weight + others)), span) if weight else 0
