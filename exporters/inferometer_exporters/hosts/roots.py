"""Where the kernel shows what it knows; tests and containers with the host's mounted elsewhere say another place."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Roots:
    """Mounts of the kernel's file systems."""

    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    cgroup: Path = Path("/sys/fs/cgroup")


def text(path: Path) -> str | None:
    """What a file of the kernel says; None where it is not there, or may not be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def number(path: Path) -> int | None:
    """The one number that a file says; None where it says none."""
    said = (text(path) or "").strip()
    return int(said) if said.isdecimal() else None


def fields(path: Path) -> dict[str, int]:
    """Names and numbers of a file with one of each per line."""
    return dict(_pairs(text(path) or ""))


def _pairs(said: str) -> Iterator[tuple[str, int]]:
    for line in said.splitlines():
        name, _, value = line.partition(" ")
        if value.strip().isdecimal():
            yield name, int(value)
