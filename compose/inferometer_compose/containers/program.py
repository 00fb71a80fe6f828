"""Docker Compose as a program: found, new enough, with an engine that answers."""

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inferometer.errors import RefusedError

OLDEST: Final = (2, 20, 0)
"""The first Compose that reads ``include``, of 2023."""
SECONDS: Final = 60.0
"""How long a question may take."""
_CANDIDATES: Final = (("docker", "compose"), ("docker-compose",))
_FILE: Final = "compose.yaml"
_OURS: Final = "include: [compose/docker-compose.yaml]"


@dataclass(frozen=True, slots=True)
class Compose:
    """Docker Compose in the folder of our ``compose.yaml``.

    Attributes:
        command: The words that every call begins with.
        version: As it says itself.
        folder: Where it runs.
        environment: Of every call.
    """

    command: tuple[str, ...]
    version: str
    folder: Path
    environment: Mapping[str, str]

    def ask(self, *arguments: str, seconds: float | None = SECONDS) -> str:
        """What a call prints.

        Raises:
            RefusedError: it fails, or takes too long; with its last words.
        """
        done = _ran((*self.command, *arguments), self.environment, self.folder, seconds)
        if done.returncode:
            raise RefusedError(f"docker compose {arguments[0]}: {_last_words(done.stderr) or 'failed without a word'}")
        return done.stdout

    def memory_bytes(self) -> int | None:
        """Memory that the engine has, of its machine or of its virtual one; None where it does not say."""
        try:
            done = _ran(("docker", "info", "--format", "{{.MemTotal}}"), self.environment, self.folder, SECONDS)
        except RefusedError:
            return None
        said = done.stdout.strip()
        return int(said) if done.returncode == 0 and said.isdecimal() and int(said) else None

    def follow(self, *arguments: str) -> int:
        """Let a call have the terminal until it ends; its exit status."""
        return subprocess.run(  # noqa: S603 - Docker Compose, by a name that is fixed
            (*self.command, *arguments), check=False, env=dict(self.environment), cwd=self.folder
        ).returncode

    @contextmanager
    def beside(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A call that goes on while its answer is watched elsewhere; ended with us."""
        with subprocess.Popen(  # noqa: S603 - Docker Compose, by a name that is fixed
            (*self.command, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(self.environment),
            cwd=self.folder,
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.terminate()


def find(here: Path, environment: Mapping[str, str]) -> Compose:
    """Docker Compose for the checkout that *here* lies in.

    Raises:
        RefusedError: there is no checkout, no program, none that is new enough, or no engine behind it.
    """
    folder = checkout(here)
    command, version = _newest(environment, folder)
    found = Compose(command, version, folder, environment)
    _has_an_engine(found)
    return found


def checkout(here: Path) -> Path:
    """The folder of our ``compose.yaml``, here or above.

    Raises:
        RefusedError: there is none.
    """
    for folder in (here, *here.parents):
        file = folder / _FILE
        if file.is_file() and _OURS in file.read_text(encoding="utf-8", errors="replace"):
            return folder
    message = (
        f"no {_FILE} of inferometer in {here} or above: run this in a checkout of it; `inferometer demo` needs none"
    )
    raise RefusedError(message)


def _newest(environment: Mapping[str, str], folder: Path) -> tuple[tuple[str, ...], str]:
    too_old = ""
    for command in _CANDIDATES:
        try:
            done = _ran((*command, "version", "--short"), environment, folder, SECONDS)
        except RefusedError:
            continue
        version = done.stdout.strip().removeprefix("v")
        if done.returncode or not (numbers := re.match(r"(\d+)\.(\d+)\.(\d+)", version)):
            continue
        if tuple(map(int, numbers.groups())) >= OLDEST:
            return command, version
        too_old = f"{' '.join(command)} is {version}"
    needed = ".".join(map(str, OLDEST))
    if too_old:
        raise RefusedError(f"{too_old}; {needed} or newer is needed, which reads `include`")
    raise RefusedError(
        f"no Docker Compose on PATH: install Docker with Compose {needed} or newer; `inferometer demo` needs neither"
    )


def _has_an_engine(compose: Compose) -> None:
    try:
        compose.ask("ps", "--quiet")
    except RefusedError as error:
        raise RefusedError(f"{error}\n  is the Docker engine running, and may you use it?") from error


def _ran(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, seconds: float | None
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - Docker Compose, by a name that is fixed
            command,
            capture_output=True,
            check=False,
            text=True,
            errors="replace",
            timeout=seconds,
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        raise RefusedError(f"{command[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise RefusedError(f"{' '.join(command)}: no answer within {seconds:.0f} s") from error


def _last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
