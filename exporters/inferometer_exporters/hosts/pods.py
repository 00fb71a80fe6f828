"""The pods of workers that do not say themselves where they run."""

from pathlib import Path

from inferometer.wire.pod import Pod
from inferometer_exporters.hosts import containers


class Pods:
    """What is known of workers on this host.

    Args:
        own: what the sidecar's environment says of it. A node is that of every process on it. Where a pod is named
            the workers are in the same one: a sidecar for many pods is not told its own.
        proc: where ``/proc`` is.
    """

    def __init__(self, own: Pod, *, proc: Path = Path("/proc")) -> None:
        self._own = own
        self._proc = proc

    def __call__(self, pid: int) -> Pod:
        """The pod of a process, as far as its cgroup and our environment say it; 0 is one that cannot be seen."""
        place = containers.place(pid, self._proc) if pid else containers.Place()
        seen = Pod(uid=place.pod_uid, container_id=place.container)
        own = self._own
        if seen.uid and own.uid and seen.uid != own.uid:
            return seen.or_else(Pod(node=own.node))
        # Its container is another one than ours.
        return seen.or_else(Pod(namespace=own.namespace, name=own.name, uid=own.uid, node=own.node))
