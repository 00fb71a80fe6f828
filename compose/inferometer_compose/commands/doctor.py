"""``inferometer doctor``."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from inferometer.fleet.loader import load
from inferometer_compose.commands.console import screen
from inferometer_compose.commands.errors import FOUND_SOMETHING
from inferometer_compose.doctor.chain import first_broken, walk
from inferometer_compose.doctor.link import Where
from inferometer_compose.screens import doctor as screens


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line said; addresses are URLs."""

    metrics: str
    api: str
    prometheus: str
    jaeger: str
    grafana: str | None
    config: Path | None
    time_scale: int
    json: bool


def sdk(application: str | None, *, as_json: bool) -> int:
    """``python -m inferometer`` with this Python; its exit status.

    A process of its own: ours is switched off, so that commands are not what is watched.
    """
    arguments = ["--app", application] if application is not None else []
    arguments += ["--json"] if as_json else []
    return subprocess.run([sys.executable, "-m", "inferometer", *arguments], check=False).returncode  # noqa: S603 - our own


def chain(options: Options) -> int:
    """Walk the chain and print it; 1 where a link is broken.

    Raises:
        FleetError: the fleet file is wrong.
    """
    where = Where(
        metrics=options.metrics,
        api=options.api.rstrip("/"),
        prometheus=options.prometheus.rstrip("/"),
        jaeger=options.jaeger.rstrip("/"),
        grafana=None if options.grafana is None else options.grafana.rstrip("/"),
        fleet=None if options.config is None else load(options.config),
        time_scale=options.time_scale,
        environment=os.environ,
    )
    links = list(walk(where))
    first = first_broken(links)
    if options.json:
        document = {"links": [asdict(link) for link in links], "first_broken": None if first is None else first.name}
        sys.stdout.write(json.dumps(document) + "\n")
    else:
        console = screen()
        for line in screens.lines(links, first):
            console.print(line)
    return 0 if first is None else FOUND_SOMETHING
