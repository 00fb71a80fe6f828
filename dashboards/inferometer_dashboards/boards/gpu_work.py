"""Rows of the board *GPUs*: how hard the chips work, and what their memory holds."""

from inferometer.catalog import gpus
from inferometer.catalog.labels import DEVICE, PROCESS
from inferometer.catalog.model import Gauge
from inferometer_alerts.gpu_alerts import FULL
from inferometer_dashboards.boards.gpu_series import gauge
from inferometer_dashboards.panels import Colour, Kind, Panel, Query, Row, Show, Step, named


def activity() -> Row:
    """Utilization, which says that something ran, and what ran where in the chip."""
    return Row(
        title="How hard they work",
        panels=(
            _share(
                gpus.GPU_UTILIZATION,
                key="utilization",
                title="Utilization",
                description=(
                    "Share of time in which at least one kernel ran, however small. Near 100 % does not mean full: "
                    "see the SMs beside it. Low while requests queue: the host, not the GPU, is the narrow place."
                ),
            ),
            _share(
                gpus.GPU_SM_ACTIVE,
                key="sm-active",
                title="SMs that work",
                description=(
                    "Share of the cycles of the streaming multiprocessors in which a warp was there. Low at high "
                    "utilization: kernels are too small; make batches larger. Not told before Hopper, unless by "
                    "dcgm-exporter."
                ),
            ),
            _share(
                gpus.GPU_SM_OCCUPANCY,
                key="sm-occupancy",
                title="Occupancy",
                description=(
                    "Warps as a share of those that the SMs have room for. Low at busy SMs: kernels need many "
                    "registers or much shared memory; that may be well, if the tensor cores are busy."
                ),
            ),
            _share(
                gpus.GPU_TENSOR_ACTIVE,
                key="tensor-active",
                title="Tensor cores",
                description=(
                    "Share of cycles in which a tensor core worked: what a model pays a GPU for. Low while SMs are "
                    "busy: the model runs in a precision without them, or waits for memory."
                ),
            ),
            _share(
                gpus.GPU_DRAM_ACTIVE,
                key="dram-active",
                title="Memory traffic",
                description=(
                    "Share of cycles in which device memory moved data. High with idle tensor cores: decoding is "
                    "bound by memory; larger batches, a smaller model or a quantised one help, a faster chip does "
                    "not."
                ),
            ),
            Panel(
                key="process-activity",
                title="SMs by process",
                description=(
                    "Share of time in which kernels of each process ran. A process that you do not know: its "
                    "container is in the table of processes. Absent in MIG mode."
                ),
                unit=Show.RATIO,
                kind=Kind.LINES,
                promql=(Query(expr=gauge(gpus.GPU_PROCESS_SM, PROCESS), legend=named(DEVICE, PROCESS)),),
                width=8,
                maximum=1.0,
            ),
        ),
    )


def _share(series: Gauge, *, key: str, title: str, description: str) -> Panel:
    return Panel(
        key=key,
        title=title,
        description=description,
        unit=Show.RATIO,
        kind=Kind.LINES,
        promql=(Query(expr=gauge(series), legend=named(DEVICE)),),
        width=8,
        maximum=1.0,
    )


def memory() -> Row:
    """How full, and whose."""
    used, total = gauge(gpus.GPU_MEMORY_USED), gauge(gpus.GPU_MEMORY_TOTAL)
    return Row(
        title="Memory",
        panels=(
            Panel(
                key="memory-share",
                title="Memory in use",
                description=(
                    "Share of device memory. Full from the start on is what servers with a KV cache do, and well. "
                    "Above the limit and growing: something is kept that should be freed; requests fail when it is "
                    "full."
                ),
                unit=Show.RATIO,
                kind=Kind.LINES,
                promql=(Query(expr=used / (total > 0), legend=named(DEVICE)),),
                width=8,
                steps=(Step(float(FULL), Colour.WATCH),),
                maximum=1.0,
            ),
            Panel(
                key="memory-free",
                title="Memory left",
                description=(
                    "What another model or a larger KV cache could have. Large on every GPU: a smaller slice or a "
                    "second model fits. Falls step by step: look for a leak by process beside."
                ),
                unit=Show.BYTES,
                kind=Kind.LINES,
                promql=(Query(expr=total - used, legend=named(DEVICE)),),
                width=8,
            ),
            Panel(
                key="memory-processes",
                title="Memory by process",
                description=(
                    "Device memory of each process, the largest sixteen of a GPU. A process of a server that was "
                    "stopped: it still holds its memory, end it. Two servers on one GPU: each has half of it."
                ),
                unit=Show.BYTES,
                kind=Kind.STACK,
                promql=(Query(expr=gauge(gpus.GPU_PROCESS_MEMORY, PROCESS), legend=named(DEVICE, PROCESS)),),
                width=8,
            ),
        ),
    )
