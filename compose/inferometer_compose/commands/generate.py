"""``inferometer generate``."""

from pathlib import Path

from inferometer_compose.commands.console import screen
from inferometer_compose.commands.errors import FOUND_SOMETHING, say
from inferometer_dashboards import generation


def run(config: Path, out: Path, *, check: bool, time_scale: int) -> int:
    """Write the files, or say which of them differ; the exit status."""
    changed = generation.write(config, out, check=check, time_scale=time_scale)
    if check and changed:
        say(f"{len(changed)} files are not what {config} makes; run inferometer generate without --check")
    for name in changed:
        screen().print(out / name, soft_wrap=True)
    return FOUND_SOMETHING if check and changed else 0
