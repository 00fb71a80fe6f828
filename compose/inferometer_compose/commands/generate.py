"""``inferometer generate``."""

import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from inferometer.fleet import device_prices
from inferometer.fleet.loader import load
from inferometer_compose.commands.console import screen
from inferometer_compose.commands.errors import FOUND_SOMETHING, say
from inferometer_compose.kubernetes import manifests
from inferometer_dashboards import generation

KUBERNETES_LISTING: Final = "generated-kubernetes.txt"
"""Names of the manifests; another file than that of everything else, which may lie in the same folder."""


def run(config: Path, out: Path, *, check: bool, time_scale: int, kubernetes: bool = False) -> int:
    """Write the files, or say which of them differ; the exit status.

    Raises:
        FleetError: the fleet file is wrong; nothing is written.
        RefusedError: the fleet needs what Kubernetes' objects cannot say; nothing is written.
        StateError: a file cannot be read or written.
    """
    if kubernetes:
        made = manifests.files(load(config), time_scale=time_scale)
        changed = generation.write_files(made, out, check=check, listing=KUBERNETES_LISTING)
    else:
        changed = generation.write(config, out, check=check, time_scale=time_scale)
    for sentence in device_prices.stale(load(config), datetime.now(UTC).date()):
        say(sentence)
    console = screen()
    for name in changed:
        console.print(str(out / name), markup=False)
    if not changed:
        console.print(f"{out} is what {config} makes", markup=False)
    elif check:
        options = "" if time_scale == 1 else f" --time-scale {time_scale}"
        options += " --kubernetes" if kubernetes else ""
        mend = f"inferometer generate --config {shlex.quote(str(config))} --out {shlex.quote(str(out))}{options}"
        say(f"{len(changed)} files differ from what {config} makes: {mend}")
        return FOUND_SOMETHING
    return 0
