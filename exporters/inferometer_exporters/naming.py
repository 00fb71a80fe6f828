"""Between the names of workers and the recorder's numbers."""

from collections.abc import Callable
from typing import Final

import numpy as np

from inferometer.fleet.thresholds import Thresholds
from inferometer.intake.pipeline import Arrival
from inferometer.record.model import Labels
from inferometer.wire.layout import EXECUTES
from inferometer_exporters.columns.distinct import occurring
from inferometer_exporters.columns.gather import Numbers, worker_key
from inferometer_exporters.columns.tables import Columns, Ints, empty, take
from inferometer_exporters.ledger.runs import blank, spread
from inferometer_exporters.recorder.store import Recorder

NAMED_TENANTS: Final = 20_000
"""Label sets up to which a tenant keeps the name that a request gave; after that unknown ones are `other`."""
_TENANT: Final = 4
ENGINE: Final = "engine"
"""Column of executes that spans of an engine told of, not a worker."""
_CACHED: Final = 100_000


class Naming:
    """Translates both ways.

    Args:
        recorder: gives numbers out and stores them.
        thresholds: known tenants.
    """

    def __init__(self, recorder: Recorder, thresholds: Thresholds) -> None:
        self._recorder = recorder
        self._thresholds = thresholds
        self._labels: dict[int, Labels] = {}
        self.numbers = Numbers(labels=self._number, name=self.name, process=self._process)

    def _number(self, shape: tuple[str, ...]) -> int:
        if not shape:
            return 0
        named = shape[_TENANT]
        tenant = self._thresholds.tenant(named)
        if len(self._recorder.labels) >= NAMED_TENANTS:
            named = tenant
        return self._recorder.labels.number((*shape[:_TENANT], tenant, *shape[_TENANT + 1 :], named))

    def name(self, text: str) -> int:
        """The number of a string; 0 for the empty one."""
        return self._recorder.names.number((text,)) if text else 0

    def text(self, number: int) -> str:
        """The string of a number; empty where there is none."""
        key = self._recorder.names[number]
        return "" if key is None else str(key[0])

    def _process(self, arrival: Arrival) -> int:
        worker = arrival.worker
        process = worker_key(worker.worker_id), worker.pid, worker.host, worker.service
        return self._recorder.processes.number((*process, *worker.pod.texts))

    def labels(self, number: int) -> Labels:
        """The label set of a number, with the tenant as the request named it."""
        found = self._labels.get(number)
        if found is None:
            key = self._recorder.labels[number]
            service, model, version, region, _, request_class, method, route, named = key or ("",) * 9
            found = Labels(
                service=service,
                model=model,
                version=version,
                region=region,
                tenant=named,
                request_class=request_class,
                method=method,
                route=route,
            )
            if len(self._labels) < _CACHED:
                self._labels[number] = found
        return found

    def forget(self) -> None:
        """Numbers may mean something else now."""
        self._labels.clear()

    def runs(self, executes: Columns, release: Ints, devices: Callable[[str], tuple[int, ...]]) -> Columns:
        """Rows of the ledger's table from rows of frames: one for each device that a run is on.

        Args:
            executes: with ``worker`` and ``device``, our number of the name of the device or group.
            release: when the last run of the request has ended, ns.
            devices: indices of the accounts of a group by its name.
        """
        groups = {number: devices(self.text(number)) for number in occurring(executes["device"])}
        accounts = np.zeros(max(groups, default=0) + 1, np.int64)
        for number, group in groups.items():
            accounts[number] = group[0]
        final = executes["final"] != 0
        rows = {
            "worker": executes["worker"],
            "execute_id": executes["execute_id"],
            "span_id": executes["span_id"],
            "device": accounts[executes["device"]],
            "name": executes["device"],
            "batch_id": executes["batch_id"],
            "rows": executes["rows"].astype(np.int64),
            "tokens": executes["tokens"].astype(np.int64),
            "queued": executes["queued"],
            "start": executes["start"],
            "end": np.where(final & (executes["end"] == 0), release, executes["end"]),
            "size": np.maximum(executes["batch_size"].astype(np.int64), 1),
            "kind": executes["kind"],
            "final": final,
            "told": executes["frame_ns"],
            "release": release,
        }
        if ENGINE in executes:
            rows[ENGINE] = executes[ENGINE]
        return blank(rows if all(len(group) == 1 for group in groups.values()) else spread(rows, groups))

    @staticmethod
    def executes(runs: Columns) -> Columns:
        """Rows as frames have them from rows of the ledger's table, as far as stages need them."""
        runs = take(runs, runs["rank"] == 0)
        rows = {name: np.zeros(len(runs["start"]), column.dtype) for name, column in empty(EXECUTES).items()}
        for name in ("span_id", "execute_id", "batch_id", "queued", "start", "end", "kind"):
            rows[name] = runs[name]
        return rows
