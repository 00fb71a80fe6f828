"""``inferometer up``, ``down``, ``status`` and ``logs``: Docker Compose with plain words."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from inferometer.errors import RefusedError
from inferometer_compose.commands.console import screen
from inferometer_compose.commands.errors import FOUND_SOMETHING, say
from inferometer_compose.containers.program import Compose, find
from inferometer_compose.containers.services import Service, memory_warning, services, taken, wanted
from inferometer_compose.screens.columns import Column, plain, table

_EVERY_SECONDS: Final = 0.5
_LAST_LINES: Final = 10
_PASSWORD: Final = "docker compose exec grafana cat /run/grafana/password"
OF_SCALE: Final = {
    "TRACES": "http://balancer:4318",
    "PROMETHEUS_CONFIG": "scale",
    "JAEGER_STORAGE": "store",
    "DATA_SOURCES": "datasources-scale",
}
"""What the profile `scale` sets, as compose/scale.env does for Docker Compose alone."""
_MOUNTED: Final = ("thresholds.json", "prometheus/prometheus.yml", "prometheus/scale.yml", "jaeger/ui.js")
"""Files of what `inferometer generate` wrote that containers read, by their names in the Compose file."""
_TO_OPEN: Final = {
    "sidecar": ("live page", 9465, ""),
    "grafana": ("boards", 3000, f"user admin: {_PASSWORD}"),
    "jaeger": ("traces", 16686, ""),
    "prometheus": ("rules", 9090, ""),
    "thanos-query": ("every region", 10902, ""),
    "alerts": ("alerts that arrived", 9099, ""),
    "gateway": ("the demo's requests", 8100, ""),
}
"""Service -> what is opened there, the port inside or out, what is to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line said.

    Attributes:
        profiles: Of the Compose file.
        config: Folder that `inferometer generate` wrote; None: that of the example.
        targets: Folder of lists that Prometheus scrapes besides; None: compose/mine.
        wait_seconds: How long services may take to be healthy.
    """

    profiles: tuple[str, ...]
    config: Path | None
    targets: Path | None
    wait_seconds: float


def up(options: Options) -> int:
    """Build, start, and wait until every service is healthy; the exit status.

    Raises:
        RefusedError: something is in the way; nothing was started.
    """
    compose = find(Path.cwd(), _environment(options))
    console = screen()
    console.print(f"docker  Compose {compose.version} in {compose.folder}", markup=False)
    if warning := memory_warning(compose.memory_bytes()):
        say(warning)
    if busy := taken(wanted(compose), services(compose)):
        listed = "\n".join(f"  {one.address}:{one.port}  for {one.service}" for one in busy)
        raise RefusedError(f"ports that somebody else listens on:\n{listed}\n  end what is there; nothing was started")
    console.print("image   inferometer, from this checkout; a minute or two the first time", markup=False)
    _built(compose, console)
    failed = _started(compose, options, console)
    if failed is not None:
        return failed
    _opened(services(compose), console)
    return 0


def down(*, volumes: bool) -> int:
    """Stop and remove every container; with *volumes* also what they kept.

    Raises:
        RefusedError: Docker Compose refused.
    """
    compose = find(Path.cwd(), _everything())
    compose.ask("down", "--remove-orphans", *(("--volumes",) if volumes else ()), seconds=None)
    kept = (
        "nothing is left" if volumes else "recorder, series, traces and the password are kept: --volumes removes them"
    )
    screen().print(f"stopped; {kept}", markup=False)
    return 0


def status(*, as_json: bool) -> int:
    """How each service is; the exit status is 1 where one is not well or nothing runs.

    Raises:
        RefusedError: Docker Compose refused.
    """
    found = services(find(Path.cwd(), _everything()))
    if as_json:
        rows = [{**asdict(one), "ports": list(one.ports), "well": one.well} for one in found]
        sys.stdout.write(json.dumps({"services": rows}) + "\n")
    elif found:
        console = screen()
        columns = [
            Column("service", [plain(one.name) for one in found], figure=False),
            Column("is", [plain(one.says) for one in found], figure=False),
            Column("published on", [plain(", ".join(one.ports)) for one in found], rank=1, figure=False),
        ]
        for line in table(columns, console.width, indent="")[0]:
            console.print(line)
    else:
        say("nothing runs: inferometer up")
    return 0 if found and all(one.well for one in found) else FOUND_SOMETHING


def logs(names: Iterable[str], *, follow: bool, tail: int) -> int:
    """What services printed; the exit status of Docker Compose.

    Raises:
        RefusedError: there is no Docker Compose, or no service of such a name.
    """
    compose = find(Path.cwd(), _everything())
    # Docker Compose says so, too, but ends with 0.
    known = compose.ask("config", "--services").split()
    if unknown := [name for name in names if name not in known]:
        raise RefusedError(f"there is no service {unknown[0]!r}; known: {', '.join(sorted(known))}")
    return compose.follow("logs", "--tail", str(tail), *(("--follow",) if follow else ()), *names)


def _environment(options: Options) -> dict[str, str]:
    named = {"CONFIG": options.config, "TARGETS": options.targets}
    for name, folder in named.items():
        if folder is not None and not folder.is_dir():
            hint = ": inferometer generate --out writes it" if name == "CONFIG" else ""
            raise RefusedError(f"{folder} is no folder{hint}")
    if options.config is not None:
        # Where a file is missing, Docker makes a folder in its place.
        missing = [name for name in _MOUNTED if not (options.config / name).is_file()]
        if missing:
            raise RefusedError(f"{options.config} has no {missing[0]}: inferometer generate --out writes it")
    chosen = {name: str(folder.absolute()) for name, folder in named.items() if folder is not None}
    if "gpu" in options.profiles:
        chosen["GPU_PAGE"] = "http://dcgm-exporter:9400/metrics"
    if "scale" in options.profiles:
        chosen |= OF_SCALE
    return {**os.environ, **chosen, "COMPOSE_PROFILES": ",".join(options.profiles)}


def _everything() -> dict[str, str]:
    """Every profile, since any may have been started."""
    return {**os.environ, "COMPOSE_PROFILES": "*"}


def _built(compose: Compose, console: Console) -> None:
    """Build our image; on a terminal with Docker's own progress."""
    if not console.is_terminal:
        compose.ask("build", seconds=None)
    elif compose.follow("build"):
        raise RefusedError("the image of inferometer could not be built; see above")


def _started(compose: Compose, options: Options, console: Console) -> int | None:
    """Start the services and say of each when it is well; an exit status where that failed."""
    began = time.monotonic()
    seen: dict[str, str] = {}
    with compose.beside("--progress", "quiet", "up", "--detach", "--remove-orphans") as starting:
        while True:
            ended = starting.poll()
            found = services(compose)
            _tell(found, seen, time.monotonic() - began, console)
            if any(one.failed for one in found) or ended:
                return _failed(compose, starting, found)
            if ended == 0 and found and all(one.well for one in found):
                return None
            if time.monotonic() - began > options.wait_seconds:
                waiting = ", ".join(one.name for one in found if not one.well)
                say(f"not healthy after {options.wait_seconds:.0f} s: {waiting}; inferometer logs SERVICE")
                return FOUND_SOMETHING
            time.sleep(_EVERY_SECONDS)


def _tell(found: Iterable[Service], seen: dict[str, str], seconds: float, console: Console) -> None:
    for one in found:
        if (one.well or one.failed) and seen.get(one.name) != one.says:
            seen[one.name] = one.says
            console.print(f"{seconds:6.1f} s  {plain(one.name):14} {plain(one.says)}", markup=False)


def _failed(compose: Compose, starting: "subprocess.Popen[str]", found: Iterable[Service]) -> int:
    """Say which of the services that were *found* so failed; a moment later Docker may be starting it again."""
    # Compose that has given up names a container.
    error = starting.communicate()[1].strip() if starting.poll() else ""
    bad = [one for one in found if one.failed] or [one for one in found if f"-{one.name}-" in error]
    for one in bad:
        said = compose.ask("logs", "--no-log-prefix", "--tail", str(_LAST_LINES), one.name)
        say(f"{one.name} {one.says if one.failed else 'does not become healthy'}; its last lines:\n{said.rstrip()}")
    if not bad:
        say(f"docker compose up: {error.splitlines()[-1] if error else 'failed'}")
    return FOUND_SOMETHING


def _opened(found: Iterable[Service], console: Console) -> None:
    by_name = {one.name: one for one in found}
    for name, (title, port, more) in _TO_OPEN.items():
        published = by_name[name].ports if name in by_name else ()
        for address in published:
            if address.endswith(f":{port}"):
                console.print(f"{title:20} http://{address}{'   ' + more if more else ''}", markup=False)
