"""Which GPUs a host has, what they are, into which slices they are divided, and what their energy counters say."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from inferometer.catalog import gpus, hosts
from inferometer_exporters.gpus.replay import Replay
from inferometer_exporters.ledger.account import Device
from inferometer_exporters.ledger.prices import portions
from inferometer_exporters.source import Reading, Sample

GPU: Final = "gpu"
"""Kind of these devices, as the price book matches it."""
SLICES: Final = 7
"""Compute slices of a GPU in MIG mode, where nobody says how many: of A100, H100, H200 and B200."""
_CUDA: Final = "cuda:"
_UUIDS: Final = ("GPU-", "MIG-")


@dataclass(frozen=True, slots=True)
class Slice:
    """A MIG instance."""

    parent: str
    slices: int


@dataclass(frozen=True, slots=True)
class Used:
    """Energy that a billed device used between two readings of its counter."""

    device: str
    begin: int
    """CLOCK_MONOTONIC ns, as the next."""
    end: int
    microjoules: int


class Inventory:
    """The GPUs of this host, as far as sources read them; recordings are not of this host and left out."""

    def __init__(self) -> None:
        self._models: dict[str, str] = {}
        self._slices: dict[str, Slice] = {}
        self._wholes: dict[str, int] = {}
        self._present: dict[str, None] = {}
        self._held: frozenset[str] = frozenset()
        self._energies: dict[str, tuple[int, int]] = {}
        self._metered: frozenset[str] = frozenset()

    def observe(self, samples: Iterable[Sample]) -> list[Used]:
        """Take in the newest readings of all sources; what billed devices used since the ones before."""
        models: dict[str, str] = {}
        slices: dict[str, Slice] = {}
        wholes: dict[str, int] = {}
        held = set()
        energies: dict[str, tuple[int, int]] = {}
        for sample in samples:
            for reading in () if sample.source == Replay.name else sample.readings:
                device = reading.labels[0] if reading.labels else ""
                if reading.entry is gpus.GPU_INFO:
                    models.setdefault(device, reading.labels[1])
                elif reading.entry is gpus.GPU_MIG_INFO:
                    _slice(slices, reading)
                elif reading.entry is gpus.GPU_MIG_SLICES:
                    wholes.setdefault(device, int(reading.value))
                elif reading.entry in _HELD and reading.value:
                    held.add(device)
                elif reading.entry in _ENERGIES:
                    energies.setdefault(device, (sample.read_ns, int(reading.value)))
        self._models |= models
        self._slices |= slices
        self._wholes |= wholes
        self._held = frozenset(held)
        self._metered = frozenset(energies)
        self._present = dict.fromkeys([*models, *(name for name, part in slices.items() if part.parent in models)])
        return [found for device, told in energies.items() for found in self._energy(device, told)]

    def _energy(self, device: str, told: tuple[int, int]) -> Iterable[Used]:
        at, total = told
        begin, before = self._energies.get(device, (at, total))
        if at < begin:
            return
        self._energies[device] = told
        if at > begin:
            # A counter that fell began anew: what it shows since then is all that is known of that time.
            used = total - before if total >= before else total
            # The counter is of the whole GPU: slices own its energy as they own its price.
            parts = self._divided(device) or {device: 1}
            shares = portions(used, np.array(list(parts.values()), np.int64)).tolist()
            for name, share in zip(parts, shares, strict=True):
                yield Used(name, begin, at, share)

    def _divided(self, gpu: str) -> Mapping[str, int]:
        """Slices of a GPU, and the GPU for those that are in none; empty where it is not divided."""
        found = {name: self._slices[name].slices for name in self._present if self._parent(name) == gpu}
        if not found:
            return {}
        left = max(self._wholes.get(gpu, SLICES) - sum(found.values()), 0)
        return found | ({gpu: left} if left else {})

    def _parent(self, name: str) -> str | None:
        part = self._slices.get(name)
        return None if part is None else part.parent

    def billed(self) -> list[Device]:
        """Devices that are there now: whole GPUs, slices, and of a divided GPU what is in no slice."""
        found = []
        for name in self._present:
            parent = self._parent(name) or name
            model = self._models.get(parent, "")
            parts = self._divided(parent)
            if not parts:
                found.append(Device(name=name, kind=GPU, model=model))
            elif name in parts:
                whole = max(self._wholes.get(parent, SLICES), sum(parts.values()))
                found.append(Device(name=name, kind=GPU, model=model, parts=parts[name], whole=whole))
        return found

    def dissolved(self) -> list[str]:
        """Devices that are billed no more: slices that were removed, GPUs all of which is slices now."""
        gone = [
            name for name, part in self._slices.items() if name not in self._present and part.parent in self._present
        ]
        return [*gone, *(name for name in self._present if (parts := self._divided(name)) and name not in parts)]

    def lost(self, name: str) -> bool:
        """Whether a device was read once and is not now."""
        known = name in self._models or name in self._slices
        return known and name not in self._present

    def held(self, name: str) -> bool:
        """Whether some process holds memory of a device: there is a server, even if none of ours."""
        return name in self._held

    def resolve(self, name: str) -> str:
        """UUID of a device that a worker names; the name itself where nobody knows better.

        ``cuda:1`` is the second GPU in the driver's order. That is CUDA's order too where all GPUs are of one model;
        where they are not, CUDA may put the fastest one first, and nothing is guessed.
        """
        if name in self._models or name in self._slices:
            return name
        bare = name.partition("-")[2]
        if bare and name.startswith(_UUIDS):
            # CUDA calls a slice by its UUID as if it were a GPU.
            # CUDA allows the beginning of one, as long as it means one device.
            known = [one for one in (*self._models, *self._slices) if one.partition("-")[2].startswith(bare)]
            return known[0] if len(known) == 1 else name
        whole = [device for device in self._present if device in self._models]
        number = name.removeprefix(_CUDA)
        plain = name.startswith(_CUDA) and number.isdecimal() and int(number) < len(whole)
        if plain and len({self._models[device] for device in whole}) == 1 and not self._slices:
            return whole[int(number)]
        return name

    def energy_ns(self, names: Sequence[str]) -> int | None:
        """Up to when the energy of all of these devices is known, in ns, of those that have any."""
        read = {self._parent(name) or name for name in names} & self._metered
        return min((self._energies[name][0] for name in read), default=None)


_HELD: Final = (gpus.GPU_PROCESS_MEMORY, gpus.GPU_PODS)
"""Series that say that somebody has a device."""
_ENERGIES: Final = (gpus.GPU_ENERGY, hosts.HOST_ENERGY)


def _slice(slices: dict[str, Slice], reading: Reading) -> None:
    device, parent, _, compute = reading.labels
    if compute.isdecimal() and int(compute):
        slices.setdefault(device, Slice(parent, int(compute)))
