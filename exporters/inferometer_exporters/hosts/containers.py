"""Which container and pod a process runs in, by its cgroup: containerd, CRI-O, Docker, Podman, under either driver."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inferometer_exporters.hosts import cgroup

# The last part of a container's cgroup: its id of 64 digits, with the runtime before it and `.scope` after it where
# systemd makes the cgroups (`cri-containerd-….scope`, `crio-….scope`, `docker-….scope`, `libpod-….scope`).
_CONTAINER: Final = re.compile(r"(?:^|[-:/])([0-9a-f]{64})(?:\.scope)?(?:/|$)")
# `pod…` of cgroupfs, `kubepods-burstable-pod….slice` of systemd, which writes the UID's dashes as underscores.
_POD: Final = re.compile(r"pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32})")
SHORT: Final = 12
"""Digits by which tools name a container."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process runs; empty is unknown, or no container."""

    container: str = ""
    """The container's id."""
    pod_uid: str = ""
    """With dashes, as Kubernetes writes it; of a static pod 32 digits, as its manifest's hash."""


def place_of(path: str) -> Place:
    """The container and the pod of a cgroup's path."""
    containers, pods = _CONTAINER.findall(path), _POD.findall(path)
    # The innermost one is the process's own: a container may run containers.
    return Place(containers[-1] if containers else "", pods[-1].replace("_", "-") if pods else "")


def place(pid: int | str, proc: Path) -> Place:
    """The container and the pod of a process, as this process counts them; nothing of what is gone or not shown."""
    found = [place_of(path) for path in cgroup.paths(pid, proc).values()]
    return Place(
        next((one.container for one in found if one.container), ""),
        next((one.pod_uid for one in found if one.pod_uid), ""),
    )
