"""``inferometer doctor``."""

import subprocess
import sys


def run(application: str | None, *, as_json: bool) -> int:
    """``python -m inferometer`` with this Python; its exit status.

    A process of its own: ours is switched off, so that commands are not what is watched.
    """
    arguments = ["--app", application] if application is not None else []
    arguments += ["--json"] if as_json else []
    return subprocess.run([sys.executable, "-m", "inferometer", *arguments], check=False).returncode  # noqa: S603 - our own
