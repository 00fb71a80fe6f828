"""``inferometer generate``."""

import shlex
from datetime import UTC, datetime
from pathlib import Path

from inferometer.fleet import device_prices
from inferometer.fleet.loader import load
from inferometer_compose.commands.console import screen
from inferometer_compose.commands.errors import FOUND_SOMETHING, say
from inferometer_dashboards import generation


def run(config: Path, out: Path, *, check: bool, time_scale: int) -> int:
    """Write the files, or say which of them differ; the exit status.

    Raises:
        FleetError: the fleet file is wrong; nothing is written.
        StateError: a file cannot be read or written.
    """
    changed = generation.write(config, out, check=check, time_scale=time_scale)
    for sentence in device_prices.stale(load(config), datetime.now(UTC).date()):
        say(sentence)
    console = screen()
    for name in changed:
        console.print(str(out / name), markup=False)
    if not changed:
        console.print(f"{out} is what {config} makes", markup=False)
    elif check:
        scale = "" if time_scale == 1 else f" --time-scale {time_scale}"
        mend = f"inferometer generate --config {shlex.quote(str(config))} --out {shlex.quote(str(out))}{scale}"
        say(f"{len(changed)} files differ from what {config} makes: {mend}")
        return FOUND_SOMETHING
    return 0
