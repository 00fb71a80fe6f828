"""Vendors' figures of GPUs: dense FP16 throughput, memory bandwidth, memory, power.

From the vendors' datasheets, as they are commonly quoted; none was measured or checked by us. Whatever is computed from
them says so, and is of low confidence.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

NOTE: Final = "uses vendors' datasheet figures, which are to be checked by a run on that GPU"


@dataclass(frozen=True, slots=True, kw_only=True)
class Datasheet:
    """One model of GPU."""

    name: str
    """What the driver calls it, with wildcards."""
    tflops: float
    """Dense FP16 or BF16, 1e12 operations per second."""
    gigabytes_per_second: float
    """Of device memory."""
    gigabytes: float
    """Of device memory, 1e9 bytes."""
    watts: float
    """Limit of its power."""
    mig: bool = False
    """Whether it can be divided into seven slices."""


DATASHEETS: Final = (
    Datasheet(name="*T4", tflops=65, gigabytes_per_second=320, gigabytes=16, watts=70),
    Datasheet(name="NVIDIA L4", tflops=121, gigabytes_per_second=300, gigabytes=24, watts=72),
    Datasheet(name="NVIDIA A10G", tflops=70, gigabytes_per_second=600, gigabytes=24, watts=300),
    Datasheet(name="NVIDIA L40S", tflops=362, gigabytes_per_second=864, gigabytes=48, watts=350),
    Datasheet(name="*A100-SXM4-40GB", tflops=312, gigabytes_per_second=1555, gigabytes=40, watts=400, mig=True),
    Datasheet(name="*A100-SXM4-80GB", tflops=312, gigabytes_per_second=2039, gigabytes=80, watts=400, mig=True),
    Datasheet(name="NVIDIA H100 80GB HBM3", tflops=989, gigabytes_per_second=3350, gigabytes=80, watts=700, mig=True),
    Datasheet(name="NVIDIA H200", tflops=989, gigabytes_per_second=4800, gigabytes=141, watts=700, mig=True),
    Datasheet(name="NVIDIA B200", tflops=2250, gigabytes_per_second=8000, gigabytes=180, watts=1000, mig=True),
    Datasheet(name="AMD Instinct MI300X*", tflops=1307, gigabytes_per_second=5300, gigabytes=192, watts=750),
)


def of(model: str) -> Datasheet | None:
    """The datasheet of a GPU by the name that the driver gives it; None where we have none."""
    return next((sheet for sheet in DATASHEETS if fnmatchcase(model, sheet.name)), None)
