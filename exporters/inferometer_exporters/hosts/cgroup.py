"""What a cgroup may use, uses and is denied: version 2, and version 1 where the host still has it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inferometer_exporters.hosts.roots import Roots, fields, number, text

_MICROSECOND: Final = 1_000
_UNIFIED: Final = ""
_CPU, _MEMORY = "cpu", "memory"
_LEVELS: Final = 4
"""Kubernetes puts containers three levels down at most, and kind puts a node's own three into one more."""
_MOST_FOUND: Final = 256
_UNLIMITED_V1: Final = 1 << 62
"""Version 1 writes the highest page-aligned number of 63 bits for no limit."""


@dataclass(frozen=True, slots=True)
class Usage:
    """A cgroup now; None is unknown, or no limit."""

    throttled_ns: int | None = None
    """Time in which its threads were held down by its CPU quota, so far."""
    cores: float | None = None
    """CPU time per time that its quota allows."""
    memory_used: int | None = None
    """Bytes, without file pages that the kernel can drop at once."""
    memory_limit: int | None = None
    """Bytes."""
    oom_kills: int | None = None
    """Processes that were killed because there was no memory, so far."""


def paths(pid: int | str, proc: Path) -> Mapping[str, str]:
    """Controller -> path of a process's cgroup; the controller of version 2 is empty. Nothing of what is gone."""
    found = {}
    for line in (text(proc / str(pid) / "cgroup") or "").splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        for controller in controllers.split(","):
            found[controller] = path
    return found


class Cgroups:
    """Cgroups of processes.

    Args:
        roots: where ``/proc`` and the cgroups are.
    """

    def __init__(self, roots: Roots) -> None:
        self._roots = roots
        self._found: dict[Path, Path] = {}

    def usage(self, pid: int | str) -> Usage:
        """What is known of the cgroup of a process; ``self`` is ours."""
        of = paths(pid, self._roots.proc)
        unified, cpu, memory = (self._folder(of, one, own=pid == "self") for one in (_UNIFIED, _CPU, _MEMORY))
        return _joined(_version_2(unified), _version_1(cpu, memory))

    def _folder(self, of: Mapping[str, str], controller: str, *, own: bool) -> Path | None:
        if controller not in of:
            return None
        root = self._roots.cgroup
        for mount in (root / controller, root / "cpu,cpuacct") if controller else (root, root / "unified"):
            if controller == _UNIFIED and not (mount / "cgroup.controllers").exists():
                continue
            if (inside := self._inside(mount, of[controller])) is not None:
                return inside
            if own and mount.is_dir():
                # A container sees its own cgroup as the root, and the host's path to it.
                return mount
        return None

    def _inside(self, mount: Path, path: str) -> Path | None:
        """The folder of a path.

        In a container another one's path begins at an ancestor of both, which it does not name: ``/../../pod…/…``.
        Where the whole host's tree is mounted that ancestor is some levels down, and a container's id is there once.
        """
        parts = [part for part in Path(path).parts if part not in {"/", ".."}]
        whole = mount.joinpath(*parts)
        known = self._found.get(whole, whole)
        if known.is_dir():
            return known
        if parts and path.startswith("/.."):
            for level in range(1, _LEVELS):
                if found := next(mount.glob("/".join(["*"] * level + parts)), None):
                    if len(self._found) >= _MOST_FOUND:
                        self._found.clear()
                    self._found[whole] = found
                    return found
        return None


def _version_2(folder: Path | None) -> Usage:
    if folder is None:
        return Usage()
    throttled = fields(folder / "cpu.stat").get("throttled_usec")
    quota, _, period = (text(folder / "cpu.max") or "").strip().partition(" ")
    return Usage(
        throttled_ns=None if throttled is None else throttled * _MICROSECOND,
        cores=_cores(quota, period),
        memory_used=_working(number(folder / "memory.current"), fields(folder / "memory.stat").get("inactive_file")),
        memory_limit=number(folder / "memory.max"),
        oom_kills=fields(folder / "memory.events").get("oom_kill"),
    )


def _version_1(cpu: Path | None, memory: Path | None) -> Usage:
    throttled, cores, used, limit, kills = None, None, None, None, None
    if cpu is not None:
        throttled = fields(cpu / "cpu.stat").get("throttled_time")
        cores = _cores((text(cpu / "cpu.cfs_quota_us") or "").strip(), (text(cpu / "cpu.cfs_period_us") or "").strip())
    if memory is not None:
        inactive = fields(memory / "memory.stat").get("total_inactive_file")
        used = _working(number(memory / "memory.usage_in_bytes"), inactive)
        limit = number(memory / "memory.limit_in_bytes")
        kills = fields(memory / "memory.oom_control").get("oom_kill")
    if limit is not None and limit >= _UNLIMITED_V1:
        limit = None
    return Usage(throttled, cores, used, limit, kills)


def _cores(quota: str, period: str) -> float | None:
    """Quota by period; no quota is ``max``, or -1 in version 1."""
    if not quota.isdecimal() or not period.isdecimal() or not int(period):
        return None
    return int(quota) / int(period)


def _working(used: int | None, inactive: int | None) -> int | None:
    return None if used is None else max(used - (inactive or 0), 0)


def _joined(first: Usage, second: Usage) -> Usage:
    """What the first knows, and what only the second does: hosts have both versions at once."""

    def either(name: str) -> object:
        known = getattr(first, name)
        return getattr(second, name) if known is None else known

    return Usage(**{name: either(name) for name in Usage.__slots__})  # type: ignore[arg-type]  # names are its own
