"""Rows of the board *GPUs*: links between devices, MIG instances, who shares a device, CPU hosts."""

from inferometer import promql
from inferometer.catalog import gpus
from inferometer.catalog.labels import (
    COMPUTE_SLICES,
    CONTAINER,
    DEVICE,
    LINK_DIRECTION,
    LINK_ERROR,
    MIG_PROFILE,
    NAMESPACE,
    PARENT,
    POD,
    POD_UID,
    PROCESS,
)
from inferometer_dashboards.boards.gpu_series import ON_DEVICE, gauge, rate
from inferometer_dashboards.panels import RANGE, Kind, Panel, Query, Row, Show, named


def links() -> Row:
    """What moves in and out."""
    errors = promql.increase(promql.select(gpus.GPU_NVLINK_ERRORS, *ON_DEVICE), RANGE)
    return Row(
        title="PCIe and NVLink",
        collapsed=True,
        panels=(
            Panel(
                key="pcie",
                title="PCIe",
                description=(
                    "Bytes per second, received and transmitted by the device. Near what the slot can do (PCIe 4 x16: "
                    "32 GB/s, PCIe 5 x16: 63 GB/s): inputs or weights are copied too often. High rx in idle times: "
                    "models are loaded again and again."
                ),
                unit=Show.BYTES_PER_SECOND,
                kind=Kind.LINES,
                promql=(Query(expr=rate(gpus.GPU_PCIE, LINK_DIRECTION), legend=named(DEVICE, LINK_DIRECTION)),),
            ),
            Panel(
                key="nvlink",
                title="NVLink",
                description=(
                    "Data over all links of a device. One device of a group far below the others: its links are down "
                    "or its peer computes something else. Nothing in a group that should share a model: it talks "
                    "over PCIe."
                ),
                unit=Show.BYTES_PER_SECOND,
                kind=Kind.LINES,
                promql=(Query(expr=rate(gpus.GPU_NVLINK, LINK_DIRECTION), legend=named(DEVICE, LINK_DIRECTION)),),
            ),
            Panel(
                key="nvlink-errors",
                title="NVLink errors in the time shown",
                description=(
                    "crc_flit, crc_data: wrong sums, repaired by sending again, nothing to do below 100 a second. "
                    "replay, recovery: a link lost what it sent or was trained anew, and stood still meanwhile; again "
                    "on one device: its cable, bridge or board. link_down: its group talks no more."
                ),
                unit=Show.COUNT,
                kind=Kind.TABLE,
                sort="Errors",
                empty="none counted",
                promql=(Query(expr=promql.max_by(errors, DEVICE, LINK_ERROR) > 0, legend="Errors", instant=True),),
            ),
        ),
    )


def mig() -> Row:
    """Instances and what is left of their GPU."""
    info = promql.group_by(promql.select(gpus.GPU_MIG_INFO, *ON_DEVICE), DEVICE, PARENT, MIG_PROFILE, COMPUTE_SLICES)
    used, total = gauge(gpus.GPU_MEMORY_USED), gauge(gpus.GPU_MEMORY_TOTAL)
    instances = promql.count_by(promql.group_by(promql.select(gpus.GPU_MIG_INFO), DEVICE, PARENT), PARENT)
    return Row(
        title="MIG",
        collapsed=True,
        panels=(
            Panel(
                key="mig",
                title="Instances",
                description=(
                    "Each instance is a device of its own, with its profile, its GPU and its memory. One that is "
                    "missing: its GPU was cut anew or reset; servers on it fail until they start on one that is "
                    "there. Power, clocks and errors are those of the whole GPU."
                ),
                unit=Show.BYTES,
                kind=Kind.TABLE,
                promql=(
                    Query(expr=promql.multiply(info, total, on=(DEVICE,)), legend="Memory", instant=True),
                    Query(expr=promql.multiply(info, used, on=(DEVICE,)), legend="Used", instant=True),
                    Query(
                        expr=promql.multiply(info, gauge(gpus.GPU_SM_ACTIVE), on=(DEVICE,)),
                        legend="SMs that work",
                        instant=True,
                        show=Show.RATIO,
                    ),
                ),
            ),
            Panel(
                key="mig-activity",
                title="SMs that work, per instance",
                description=(
                    "Share of the instance's own SM cycles. One full and others idle on one GPU: give its model two "
                    "instances or a larger profile."
                ),
                unit=Show.RATIO,
                kind=Kind.LINES,
                promql=(
                    Query(
                        expr=promql.multiply(
                            promql.group_by(promql.select(gpus.GPU_MIG_INFO, *ON_DEVICE), DEVICE, PARENT),
                            gauge(gpus.GPU_SM_ACTIVE),
                            on=(DEVICE,),
                        ),
                        legend=named(PARENT, DEVICE),
                    ),
                ),
                width=6,
                maximum=1.0,
            ),
            Panel(
                key="mig-instances",
                title="Instances of each GPU",
                description=(
                    "How many instances each GPU is cut into, and of how many compute slices. Fewer than planned: "
                    "slices lie idle that nobody can use until an instance is made of them."
                ),
                unit=Show.COUNT,
                kind=Kind.LINES,
                promql=(
                    Query(expr=instances, legend=named(PARENT, then="instances")),
                    Query(expr=gauge(gpus.GPU_MIG_SLICES), legend=named(DEVICE, then="slices")),
                ),
                width=6,
            ),
        ),
    )


def sharing() -> Row:
    """Processes and pods on a device."""
    processes = promql.multiply(
        promql.group_by(promql.select(gpus.GPU_PROCESS_INFO, *ON_DEVICE), DEVICE, PROCESS, CONTAINER, POD_UID),
        gauge(gpus.GPU_PROCESS_MEMORY, PROCESS),
        on=(DEVICE, PROCESS),
    )
    pods = promql.group_by(promql.select(gpus.GPU_POD_INFO, *ON_DEVICE), DEVICE, NAMESPACE, POD, CONTAINER)
    return Row(
        title="Who shares them",
        collapsed=True,
        panels=(
            Panel(
                key="processes",
                title="Processes",
                description=(
                    "Container and pod of each process, and its device memory. Empty where the sidecar does not see "
                    "the host's processes (hostPID). A container that should not be there: end it."
                ),
                unit=Show.BYTES,
                kind=Kind.TABLE,
                promql=(Query(expr=processes, legend="Memory", instant=True),),
            ),
            Panel(
                key="pods",
                title="Pods",
                description=(
                    "Containers that Kubernetes gave each device to, with its memory in use. A device with a pod and "
                    "no memory in use: asked for and not used; it is billed all the same."
                ),
                unit=Show.BYTES,
                kind=Kind.TABLE,
                promql=(
                    Query(
                        expr=promql.multiply(pods, gauge(gpus.GPU_MEMORY_USED), on=(DEVICE,)),
                        legend="Memory in use",
                        instant=True,
                    ),
                ),
            ),
            Panel(
                key="pods-count",
                title="Pods per device",
                description=(
                    "0: the device is given to nobody, and paid for. Above 1: time-slicing; each pod is slower when "
                    "another one works. Absent where nobody tells of pods."
                ),
                unit=Show.COUNT,
                kind=Kind.LINES,
                promql=(Query(expr=gauge(gpus.GPU_PODS), legend=named(DEVICE)),),
            ),
            Panel(
                key="mps-clients",
                title="MPS clients",
                description=(
                    "Processes that share a device at the same time through MPS. One that ends badly takes the others "
                    "with it; falls to 0: the MPS daemon is gone."
                ),
                unit=Show.COUNT,
                kind=Kind.LINES,
                promql=(Query(expr=gauge(gpus.GPU_MPS_CLIENTS), legend=named(DEVICE)),),
            ),
        ),
    )
