"""The stage of the proof: a Prometheus with a known hour in it, and the boards of the same fleet."""

import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from boards import history, rules
from boards.grafana_variables import Range
from boards.remote_write import Labels, Page, Sample, Writer, labels_of, number
from boards.server import Server
from boards.targets import Run, runs
from inferometer.catalog import labels
from inferometer.fleet.loader import load
from inferometer.fleet.model import Fleet
from inferometer.fleet.slos import slos
from inferometer_alerts import prometheus_series, recorded_slos, rule_labels
from inferometer_alerts.prometheus import JOBS
from inferometer_dashboards.generation import files

FLEET: Final = Path(__file__).with_name("fleet.yaml")
SHOWN_SECONDS: Final = 3_600
"""What a board shows at first."""
GOOD_PER_TILE: Final = 400
"""Events in five minutes of earlier days, of each SLO."""
_TILE: Final = 300
_DAY: Final = 86_400
_PUSH_STEPS: Final = 20
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder with a random name in it
"""Nothing here outlives its run: files that are synced with every step need no disk."""
_NS: Final = 10**9


@dataclass(frozen=True, slots=True)
class Stage:
    """Where boards are run.

    Attributes:
        server: has the history.
        over: range of time that is shown.
        boards: their JSON by uid, in the order of the files.
    """

    server: Server
    over: Range
    boards: Mapping[str, dict[str, Any]]

    def runs(self, uid: str) -> list[Run]:
        """Every query of a board, with everything chosen and with one value each."""
        return list(runs(self.boards[uid], self.server, self.over))


@contextmanager
def stage(fleet: Path = FLEET, *, program: Path | None = None) -> Iterator[Stage]:
    """Fill a Prometheus, and tear it down afterwards.

    Raises:
        FileNotFoundError: Prometheus was not built: ``make tools``.
    """
    declared = load(fleet)
    made = files(declared)
    folder = Path(tempfile.mkdtemp(prefix="boards-", dir=_MEMORY if _MEMORY.is_dir() else None))
    try:
        with Server(folder, **({} if program is None else {"program": program})) as server:
            end_ns = time.time_ns() // _NS * _NS
            writer = Writer(server.url)
            page = Page({rule_labels.JOB.name: JOBS[0], rule_labels.INSTANCE.name: "127.0.0.1:9464"})
            writer.add_all(_better_days(declared, end_ns // _NS))
            writer.push()
            begin = 0.0
            for scrape, (at, body) in enumerate(history.pages(declared, folder, end_ns)):
                begin = begin or at / 1000
                writer.add(at, page.samples(body))
                writer.add(at, _of_prometheus(scrape))
                if scrape % _PUSH_STEPS == 0:
                    writer.push()
            writer.push()
            end = end_ns / _NS
            rules.backfill(server, writer, rules.parsed(made), begin, end)
            yield Stage(server, Range(begin=end - SHOWN_SECONDS, end=end), _boards(made))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _boards(made: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    documents = (json.loads(made[name]) for name in sorted(made) if name.startswith("grafana/dashboards/"))
    return {document["uid"]: document for document in documents}


def _better_days(fleet: Fleet, end: int) -> Iterator[tuple[int, Labels, Sample]]:
    """Three days without a bad event, two days ago: what is left of a budget is not what the last hour left of it."""
    for slo in slos(fleet):
        pairs = {
            labels.SERVICE.name: slo.service,
            labels.MODEL.name: slo.model,
            labels.SLO.name: slo.name,
            rule_labels.OBJECTIVE.name: slo.objective.name,
        }
        for series, value in ((recorded_slos.SLO_EVENTS_TILE, GOOD_PER_TILE), (recorded_slos.SLO_BAD_TILE, 0)):
            named = labels_of(series.name, pairs)
            begin = (end - 5 * _DAY) // _TILE * _TILE
            for at in range(begin, begin + 3 * _DAY, _TILE):
                yield at * 1000, named, number(value)


def _of_prometheus(scrape: int) -> Iterator[tuple[Labels, Sample]]:
    """What Prometheus and Alertmanager say of themselves; now and then one of them fails."""
    for job in JOBS:
        pairs = {rule_labels.JOB.name: job, rule_labels.INSTANCE.name: "127.0.0.1:9464"}
        for family, value in (
            (prometheus_series.UP, 1),
            (prometheus_series.SCRAPE_DURATION, 0.02),
            (prometheus_series.SCRAPE_SAMPLES, 1_900),
        ):
            yield labels_of(family.name, pairs), number(value)
    for family, label, value in (
        (prometheus_series.RULE_FAILURES, rule_labels.RULE_GROUP, "slo.yml;slo"),
        (prometheus_series.UNDELIVERED, rule_labels.INTEGRATION, "webhook"),
    ):
        yield labels_of(family.name, {label.name: value}), number(scrape // 40)
