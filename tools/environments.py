"""Makes the Python environment of a kind of tests, once, and prints its path.

    python tools/environments.py NAME

Heavy libraries stay out of the checkout's own .venv: the environment of requirements/environments/NAME.txt is kept
in the user's cache (INFEROMETER_CACHE, else XDG_CACHE_HOME/inferometer, else ~/.cache/inferometer) and is made anew
when that file or the Python changes.
Exits 0 with the path on standard output, 1 when it cannot be made, 2 for wrong use.
"""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

REQUIREMENTS: Final = Path(__file__).resolve().parents[1] / "requirements" / "environments"
_READY: Final = ".ready"
_PINNED: Final = re.compile(r"[A-Za-z0-9._-]+(\[[A-Za-z0-9._,-]+\])?==[^\s;]+(\s*;.*)?")
_DIGITS: Final = 16


class UnusableError(Exception):
    """The environment cannot be made; the message says why and what would be right."""


def cache(environ: Mapping[str, str]) -> Path:
    """The folder that holds the environments."""
    home = environ.get("XDG_CACHE_HOME") or str(Path(environ.get("HOME") or "~").expanduser() / ".cache")
    return Path(environ.get("INFEROMETER_CACHE") or f"{home}/inferometer") / "environments"


def requirements(name: str, folder: Path = REQUIREMENTS) -> Path:
    """The file that says what *name* consists of.

    Raises:
        UnusableError: There is no such file, or a line of it does not fix one version.
    """
    path = folder / f"{name}.txt"
    if not re.fullmatch(r"[a-z0-9-]+", name) or not path.is_file():
        known = ", ".join(sorted(each.stem for each in folder.glob("*.txt"))) or "none"
        raise UnusableError(f"no environment {name!r}; there are: {known}")
    for number, line in enumerate(path.read_text().splitlines(), 1):
        text = line.partition("#")[0].strip()
        if text and not _PINNED.fullmatch(text):
            raise UnusableError(f"{path.name}:{number}: {text!r} fixes no version; write name==version")
    return path


def place(name: str, path: Path, folder: Path) -> Path:
    """Where the environment lies: another one for other requirements and for another Python."""
    python = f"{platform.python_implementation()} {platform.python_version()} {platform.machine()}"
    digest = hashlib.sha256(python.encode() + b"\0" + path.read_bytes()).hexdigest()
    return folder / f"{name}-{digest[:_DIGITS]}"


def make(name: str, folder: Path, *, source: Path = REQUIREMENTS) -> Path:
    """The environment's folder, made where it is missing or was left half made.

    Raises:
        UnusableError: The requirements are wrong, or what they name cannot be installed.
    """
    path = requirements(name, source)
    home = place(name, path, folder)
    if (home / _READY).exists():
        return home
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / _READY).exists():
            _build(name, path, home)
            _forget(name, home)
    return home


def _build(name: str, path: Path, home: Path) -> None:
    # Scripts of an environment hold its path, so that it is built in its place; what has no mark is not finished.
    shutil.rmtree(home, ignore_errors=True)
    started = time.monotonic()
    _say(f"making {name} in {home}; this happens once")
    python = str(home / "bin" / "python")
    uv = shutil.which("uv", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))))
    _run([sys.executable, "-m", "venv", *(["--without-pip"] if uv else []), str(home)])
    installer = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
    # The file names everything: resolved anew, a package that asks for a build of another index could not be had.
    _run([*installer, "--quiet", "--no-deps", "-r", str(path)])
    (home / _READY).touch()
    _say(f"made {name} in {time.monotonic() - started:.0f} s")


def _forget(name: str, kept: Path) -> None:
    pattern = re.compile(rf"{re.escape(name)}-[0-9a-f]{{{_DIGITS}}}")
    for other in kept.parent.iterdir():
        if other != kept and pattern.fullmatch(other.name):
            # Without its mark first: whoever asks for it while it goes must not take it for whole.
            (other / _READY).unlink(missing_ok=True)
            shutil.rmtree(other, ignore_errors=True)


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-20:])
        raise UnusableError(f"{' '.join(command)} ended with {done.returncode}:\n{tail}")


def _say(text: str) -> None:
    print(f"environments: {text}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str]) -> int:
    """Exit code: 0 done, 1 it cannot be made, 2 wrong use."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 0 if arguments in (["-h"], ["--help"]) else 2
    try:
        print(make(arguments[0], cache(os.environ)))
    except (UnusableError, OSError) as error:
        _say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
