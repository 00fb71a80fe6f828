"""Everything that `inferometer generate` makes of fleet.yaml, and how it gets to disk."""

import json
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from inferometer.errors import StateError
from inferometer.fleet.loader import load
from inferometer.fleet.model import Fleet
from inferometer.fleet.schema import json_schema
from inferometer_alerts import generation as alerts
from inferometer_alerts.addresses import COMPOSE, Addresses
from inferometer_alerts.time_scale import TimeScale
from inferometer_alerts.yaml_text import dump
from inferometer_dashboards import grafana, jaeger_ui, provisioning
from inferometer_dashboards.boards import boards

LISTING: Final = "generated.txt"
"""Names of the files that the last run wrote: only these are ever removed."""
SCHEMA: Final = "fleet.schema.json"


def files(fleet: Fleet, *, time_scale: int = 1, addresses: Addresses = COMPOSE) -> dict[str, bytes]:
    """Content by path below the output folder; nothing is read or written."""
    scale = TimeScale(time_scale)
    comment = alerts.HEADER
    made = alerts.files(fleet, time_scale=time_scale, addresses=addresses)
    shown = boards(fleet)
    for board in shown:
        made[f"grafana/dashboards/{board.uid}.json"] = grafana.dumps(board, fleet.links, note=scale.note)
    folder = "grafana/provisioning"
    for name, every_region in provisioning.FOLDERS.items():
        sources = provisioning.datasources(addresses, fleet.links, scale, every_region=every_region)
        made[f"{folder}/{name}/inferometer.yaml"] = dump(sources, comment=comment)
    made[f"{folder}/dashboards/inferometer.yaml"] = dump(provisioning.providers(), comment=comment)
    made["jaeger/ui.js"] = jaeger_ui.dumps(fleet, shown)
    made[SCHEMA] = (json.dumps(json_schema(Fleet, title="fleet.yaml"), indent=2) + "\n").encode()
    return made


def write(
    config: Path,
    out: Path,
    *,
    check: bool = False,
    time_scale: int = 1,
    addresses: Addresses = COMPOSE,
) -> list[str]:
    """Write the files of a fleet, and remove those of an earlier run that are no longer made.

    Args:
        config: The fleet file.
        out: Folder of the generated files; whatever else lies there stays.
        check: Write nothing.
        time_scale: By what every window and interval is divided.
        addresses: Where the parts of the stack listen.

    Returns:
        Names of the files that were written or removed; with ``check``, of those that differ.

    Raises:
        FleetError: the fleet file is wrong; nothing is written.
        StateError: a file cannot be read or written.
    """
    return write_files(files(load(config), time_scale=time_scale, addresses=addresses), out, check=check)


def write_files(
    content_by_name: Mapping[str, bytes], out: Path, *, check: bool = False, listing: str = LISTING
) -> list[str]:
    """Write files, and remove those that the listing of an earlier run has and nobody makes any more.

    Args:
        content_by_name: Content by path below the output folder.
        out: The output folder; whatever else lies there stays.
        check: Write nothing.
        listing: Name of the file that lists the others: one for each kind of output.

    Returns:
        Names of the files that were written or removed; with ``check``, of those that differ.

    Raises:
        StateError: a file cannot be read or written.
    """
    made = {**content_by_name, listing: "".join(f"{name}\n" for name in sorted(content_by_name)).encode()}
    try:
        stale = _stale(made, out, listing)
        changed = [name for name, content in sorted(made.items()) if _content(out / name) != content]
        if not check:
            for name in changed:
                _replace(out / name, made[name])
            for name in stale:
                (out / name).unlink()
    except OSError as error:
        raise StateError(f"{error.filename or out}: {error.strerror}") from error
    return sorted([*changed, *stale])


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _stale(made: Mapping[str, bytes], out: Path, listing: str) -> list[str]:
    listed = (_content(out / listing) or b"").decode(errors="replace").splitlines()
    return [name for name in listed if name not in made and _is_below(name) and (out / name).is_file()]


def _is_below(name: str) -> bool:
    """Whether a listed name stays inside the output folder; the listing may have been edited."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def _replace(path: Path, content: bytes) -> None:
    """Write a file in one step, so that nobody ever reads half of it; readable by the containers that mount it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
