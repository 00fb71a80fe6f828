"""The programs that a demo can use when they are there, and whether their version will do."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

Version = tuple[int, int, int]
_VERSION = re.compile(r"version[ =:]+v?(\d+)\.(\d+)\.(\d+)")
_ANSWER_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Requirement:
    """A program that we can start, and the oldest version that reads our configuration."""

    name: str
    title: str
    minimum: Version
    because: str


PROMETHEUS = Requirement(
    "prometheus", "Prometheus", (3, 0, 0), "older ones know neither scrape_protocols nor keep_firing_for as we use them"
)
ALERTMANAGER = Requirement("alertmanager", "Alertmanager", (0, 25, 0), "older ones lack the matchers that we write")
JAEGER = Requirement("jaeger", "Jaeger", (2, 0, 0), "version 1 reads another configuration")


@dataclass(frozen=True, slots=True)
class Program:
    """A program that was found; without a path there is a reason."""

    title: str
    path: Path | None = None
    version: Version | None = None
    reason: str = ""

    def __str__(self) -> str:
        """A short phrase for the screen: what it is, or why it is not used."""
        if self.path is None or self.version is None:
            return f"{self.title} \N{EN DASH} ({self.reason})"
        return f"{self.title} {'.'.join(map(str, self.version))} ✓"


def find(requirement: Requirement, folders: Sequence[Path], *, search_path: str | None = None) -> Program:
    """The first usable program of that name.

    Args:
        requirement: What is looked for.
        folders: Looked into first, in this order.
        search_path: Looked through then, as ``PATH`` is written; the environment's when absent.
    """
    candidates = [folder / requirement.name for folder in folders]
    if (on_path := shutil.which(requirement.name, path=search_path)) is not None:
        candidates.append(Path(on_path))
    refused = ""
    for candidate in candidates:
        if not candidate.is_file():
            continue
        version = _version_of(candidate)
        if version is not None and version >= requirement.minimum:
            return Program(requirement.title, candidate, version)
        refused = refused or _refusal(requirement, candidate, version)
    return Program(requirement.title, reason=refused or "not found")


def _refusal(requirement: Requirement, path: Path, version: Version | None) -> str:
    if version is None:
        return f"{path} does not tell its version"
    found, wanted = (".".join(map(str, one)) for one in (version, requirement.minimum))
    return f"{path} is {found}; {wanted} or newer is needed: {requirement.because}"


def _version_of(path: Path) -> Version | None:
    # Jaeger 2 says it after `--version` too, on standard output or standard error.
    try:
        answer = subprocess.run(  # noqa: S603 - a program the user has on the path, asked for its version
            [str(path), "--version"], capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if (found := _VERSION.search(answer.stdout + answer.stderr)) is None:
        return None
    major, minor, patch = map(int, found.groups())
    return major, minor, patch
