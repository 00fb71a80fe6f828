"""The row of the board *GPUs* about CPU hosts: those that serve, and those that GPUs are in."""

from inferometer import promql
from inferometer.catalog import hosts
from inferometer.catalog.labels import CONTAINER, DEVICE, LOAD_WINDOW, PRESSURE_KIND, RESOURCE
from inferometer_dashboards.boards.gpu_series import ON_DEVICE, gauge, rate
from inferometer_dashboards.panels import RANGE, Kind, Panel, Query, Row, Show, named


def cpu_hosts() -> Row:
    """CPU hosts that serve, and hosts of GPUs."""
    killed = promql.increase(promql.select(hosts.CONTAINER_OOM_KILLS, *ON_DEVICE), RANGE)
    return Row(
        title="CPU hosts",
        panels=(
            Panel(
                key="host-cpu",
                title="CPU in use",
                description=(
                    "Share of the host's CPU time. Near 100 % while requests queue: the host is the narrow place, "
                    "whatever its GPU does; add cores or replicas."
                ),
                unit=Show.RATIO,
                kind=Kind.LINES,
                promql=(Query(expr=gauge(hosts.HOST_CPU_UTILIZATION), legend=named(DEVICE)),),
                width=8,
                maximum=1.0,
            ),
            Panel(
                key="host-held-back",
                title="CPU held back",
                description=(
                    "Share of time in which a CPU quota held the sidecar's or a container's processes down, and CPU "
                    "time per second that the hypervisor gave to others (steal). Not 0 under load: raise the limit, "
                    "or move to a host that you do not share."
                ),
                unit=Show.RATIO,
                kind=Kind.LINES,
                promql=(
                    Query(expr=rate(hosts.HOST_CPU_THROTTLED), legend=named(DEVICE, then="quota")),
                    Query(
                        expr=rate(hosts.CONTAINER_CPU_THROTTLED, CONTAINER),
                        legend=named(DEVICE, CONTAINER, then="quota"),
                    ),
                    Query(expr=rate(hosts.HOST_CPU_STEAL), legend=named(DEVICE, then="steal")),
                ),
                width=8,
            ),
            Panel(
                key="host-pressure",
                title="Time spent waiting for the host",
                description=(
                    "Share of time in which threads waited for CPU, memory or disk (pressure stall information). "
                    "`full` for memory: the host swaps or reclaims, requests stop; `some` for CPU: too few cores."
                ),
                unit=Show.RATIO,
                kind=Kind.LINES,
                promql=(
                    Query(
                        expr=rate(hosts.HOST_PRESSURE, RESOURCE, PRESSURE_KIND),
                        legend=named(DEVICE, RESOURCE, PRESSURE_KIND),
                    ),
                ),
                width=8,
            ),
            Panel(
                key="host-memory",
                title="Memory of the host in use",
                description=(
                    "Share of the host's memory. Above 90 %: the next model does not fit, and the kernel may end a "
                    "process."
                ),
                unit=Show.RATIO,
                kind=Kind.LINES,
                promql=(
                    Query(
                        expr=gauge(hosts.HOST_MEMORY_USED) / (gauge(hosts.HOST_MEMORY_TOTAL) > 0),
                        legend=named(DEVICE),
                    ),
                ),
                width=8,
                maximum=1.0,
            ),
            Panel(
                key="host-clock",
                title="Clock of the CPUs",
                description=(
                    "Mean of all cores, where the kernel tells. Falls under load: heat or a power limit; requests "
                    "take longer by as much."
                ),
                unit=Show.HERTZ,
                kind=Kind.LINES,
                promql=(Query(expr=gauge(hosts.HOST_CPU_CLOCK), legend=named(DEVICE)),),
                width=8,
            ),
            Panel(
                key="host-load",
                title="Threads that run or wait",
                description=(
                    "The kernel's load average. Above the number of CPUs for long: threads wait for one, and every "
                    "request with them. High with idle CPUs: threads wait for a disk."
                ),
                unit=Show.COUNT,
                kind=Kind.LINES,
                promql=(Query(expr=gauge(hosts.HOST_LOAD, LOAD_WINDOW), legend=named(DEVICE, LOAD_WINDOW)),),
                width=8,
            ),
            Panel(
                key="host-power",
                title="Power of the CPUs",
                description=(
                    "By the packages' own counters, where they may be read (RAPL). High without requests: a worker "
                    "polls instead of waiting. Absent in most virtual machines."
                ),
                unit=Show.WATTS,
                kind=Kind.LINES,
                promql=(Query(expr=rate(hosts.HOST_ENERGY), legend=named(DEVICE)),),
                width=8,
                empty="no counter that may be read",
            ),
            Panel(
                key="containers",
                title="Containers",
                description=(
                    "What each container of a worker or sidecar may use, uses, and how often its processes were "
                    "killed for memory in the time that is shown. Memory near its limit: the next model or the next "
                    "batch ends in a kill. CPU held back (above): raise the limit."
                ),
                unit=Show.BYTES,
                kind=Kind.TABLE,
                promql=(
                    Query(expr=gauge(hosts.CONTAINER_MEMORY_USED, CONTAINER), legend="Memory", instant=True),
                    Query(expr=gauge(hosts.CONTAINER_MEMORY_LIMIT, CONTAINER), legend="Memory limit", instant=True),
                    Query(
                        expr=gauge(hosts.CONTAINER_CPU_LIMIT, CONTAINER),
                        legend="CPU limit, cores",
                        instant=True,
                        show=Show.COUNT,
                    ),
                    Query(
                        expr=promql.max_by(killed, DEVICE, CONTAINER),
                        legend="Killed for memory",
                        instant=True,
                        show=Show.COUNT,
                    ),
                ),
                width=24,
                height=6,
                empty="no container that is limited",
            ),
        ),
    )
