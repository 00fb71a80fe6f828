"""MIG: the instances that a GPU is cut into, each a device of its own with memory, activity and processes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from inferometer.catalog import gpus
from inferometer_exporters.gpus import nvml_library as nvml
from inferometer_exporters.gpus.nvml_activity import Activity
from inferometer_exporters.gpus.nvml_calls import Calls
from inferometer_exporters.gpus.nvml_library import Handle
from inferometer_exporters.gpus.nvml_memory import memory_readings
from inferometer_exporters.gpus.nvml_processes import PlaceOf, Processes, nowhere
from inferometer_exporters.source import Reading

_MARK: Final = " MIG "
"""Stands in an instance's name before its profile: ``NVIDIA H100 80GB HBM3 MIG 1g.10gb``."""
_MIB_PER_GB: Final = 1_024


@dataclass(frozen=True, slots=True)
class Instance:
    """A MIG instance, as the GPU is cut now."""

    handle: Handle
    uuid: str
    profile: str
    compute_slices: int
    gpu_instance: int | None


class Mig:
    """The instances of one GPU; read anew with `refresh`.

    Args:
        calls: of the thread that samples the GPU.
        gpu: UUID of the GPU.
        place_of: finds a process's container and pod.
    """

    def __init__(self, calls: Calls, gpu: str, place_of: PlaceOf = nowhere) -> None:
        self._calls = calls
        self._place_of = place_of
        self._gpu = gpu
        self._parts: dict[str, tuple[Instance, Activity, Processes]] = {}
        self._held: dict[str, tuple[Reading, ...]] = {}
        self.slices: int | None = None
        """Compute slices of the GPU; None where it is not in MIG mode."""

    def refresh(self, gpu: Handle) -> bool:
        """Find out how the GPU is cut.

        Returns:
            Whether it is cut in another way than before: what it does not have may be another thing now.

        Raises:
            LostError: the device is gone.
            ReloadedError: the driver is.
        """
        before = self.slices, {uuid: part[0].gpu_instance for uuid, part in self._parts.items()}
        self.slices = self._calls(nvml.MIG_SLICES, gpu) if self._calls(nvml.MIG_MODE, gpu) else None
        found = {instance.uuid: instance for instance in self._instances(gpu, self.slices or 0)}
        for uuid in self._parts.keys() - found.keys():
            self._parts.pop(uuid)[1].free()
            self._held.pop(uuid, None)
        for uuid, instance in found.items():
            known = self._parts.get(uuid)
            if known is None or known[0].gpu_instance != instance.gpu_instance:
                if known is not None:
                    known[1].free()
                activity = Activity(self._calls, uuid, instance=instance.gpu_instance)
                self._parts[uuid] = (instance, activity, Processes(self._calls, uuid, self._place_of))
            else:
                self._parts[uuid] = (instance, *known[1:])
        return before != (self.slices, {uuid: part[0].gpu_instance for uuid, part in self._parts.items()})

    def readings(self, gpu: Handle, now_ns: int, *, slow: bool) -> Iterator[Reading]:
        """Readings of all instances, those of processes only where *slow*, and else as they were.

        Raises:
            LostError: the device is gone.
            ReloadedError: the driver is.
        """
        if self.slices is not None:
            yield Reading(gpus.GPU_MIG_SLICES, (self._gpu,), self.slices)
        for uuid, (instance, activity, processes) in self._parts.items():
            labels = (uuid, self._gpu, instance.profile, str(instance.compute_slices))
            yield Reading(gpus.GPU_MIG_INFO, labels, 1)
            yield from memory_readings(self._calls, instance.handle, uuid)
            if instance.gpu_instance is not None:
                yield from activity.readings(gpu, now_ns)
            if slow:
                self._held[uuid] = tuple(processes.readings(instance.handle, shares=False))
            yield from self._held.get(uuid, ())

    def restart(self) -> None:
        """The GPU was found anew: activity is measured from now on."""
        for _, activity, _ in self._parts.values():
            activity.restart()

    def _instances(self, gpu: Handle, slices: int) -> Iterator[Instance]:
        for index in range(slices):
            handle = self._calls(nvml.MIG_HANDLE, gpu, index, answers={nvml.NOT_FOUND: None})
            uuid = None if handle is None else self._calls(nvml.UUID, handle)
            attributes = None if uuid is None else self._calls(nvml.SLICES, handle)
            if handle is None or uuid is None or attributes is None:
                continue
            name = self._calls(nvml.NAME, handle) or ""
            profile = name.partition(_MARK)[2] or _profile(attributes)
            instance = self._calls(nvml.GPU_INSTANCE, handle)
            yield Instance(handle, uuid, profile, attributes.compute, instance)


def _profile(slices: nvml.Slices) -> str:
    """A profile as NVIDIA names it, of an instance whose name does not say it."""
    # 4,864 MiB are the memory of 1g.5gb: profiles are named by the next whole number.
    return f"{slices.compute}g.{-(-slices.memory_mib // _MIB_PER_GB)}gb"
