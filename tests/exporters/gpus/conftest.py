"""A stand-in for NVIDIA's library, compiled here and scripted by a file; NVIDIA's own bindings load it."""

import ctypes
import os
import subprocess
import time
from pathlib import Path

import pytest

from inferometer_exporters.gpus.nvml import Nvml

SOURCE = Path(__file__).parent / "fake_nvml.c"
H100 = """
0 uuid GPU-a
0 utilization 73
0 power 412345
0 limit 700000
0 celsius 61
0 sm_clock 1755
0 memory_clock 2619
0 used 30000000000
0 reserved 500000000
0 total 85000000000
0 reasons 0
0 ecc_corrected 0
0 ecc_uncorrected 0
0 gpm 1
0 metric 2 62.5
0 metric 3 40
0 metric 5 31.25
0 metric 10 80
0 field 83 3 1000000
0 field 74 3 0
0 field 75 3 0
0 field 76 3 0
0 field 77 3 0
0 field 79 3 0
0 field 197 3 0
0 field 198 3 0
0 field 138 3 0
0 field 139 3 0
"""
"""What an H100 answers: everything."""


def compiled(folder: Path) -> Path:
    """The library, as a file that the bindings find by its name."""
    library = folder / "libnvidia-ml.so.1"
    flags = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", f"-Wl,-soname,{library.name}"]
    command = ["gcc", *flags, "-o", str(library), str(SOURCE), "-lpthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"gcc cannot compile {SOURCE.name}: {done.stderr}"
    return library


class FakeDriver:
    """The library's script, and sources that read it."""

    H100 = H100

    def __init__(self, library: Path, script: Path) -> None:
        self.library = library
        self.path = script
        # Loaded by its path here, it is found by its name when the bindings ask for that.
        self._loaded = ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
        self._loaded.fake_calls.restype = ctypes.c_long
        self._loaded.fake_size.restype = ctypes.c_ulong
        self._sources: list[Nvml] = []
        self.ahead = 0.0
        """Seconds that the sources' clock is ahead of the host's."""
        self.script("")
        self._loaded.fake_script(str(script).encode())

    def script(self, *parts: str) -> None:
        """What the driver answers from now on."""
        fresh = self.path.with_suffix(".fresh")
        fresh.write_text("\n".join(parts) + "\n", encoding="utf-8")
        # A change within the clock's grain would not be seen.
        stamp = time.time_ns()
        os.utime(fresh, ns=(stamp, stamp))
        fresh.replace(self.path)
        time.sleep(0.005)

    def calls(self, name: str) -> int:
        """How often a function was called."""
        return self._loaded.fake_calls(name.encode())

    def size(self, name: str) -> int:
        """Size of a struct of the library, by its name in the bindings, bytes."""
        return self._loaded.fake_size(name.encode())

    def nvml(self, **more) -> Nvml:
        """A source with short deadlines."""
        given = {"call_seconds": 0.3, "round_seconds": 2.0, "find_seconds": 2.0, "monotonic": self.now} | more
        source = Nvml(**given)
        self._sources.append(source)
        return source

    def now(self) -> float:
        """The sources' clock, seconds."""
        return time.monotonic() + self.ahead

    def close(self) -> None:
        # A wait for events ends at once when the driver was reloaded.
        self.script("* error nvmlInitWithFlags 9", "* reload 99")
        for source in self._sources:
            source.close()


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def driver(nvml_library, tmp_path):
    made = FakeDriver(nvml_library, tmp_path / "nvml.script")
    yield made
    made.close()


@pytest.fixture
def shown():
    """Readings as name, labels -> value."""

    def by_labels(readings):
        return {(reading.entry.name, *reading.labels): reading.value for reading in readings}

    return by_labels
