"""Series of inferometer itself and of the processes it runs in."""

from typing import Final

from inferometer.catalog.labels import (
    CALL,
    COMPONENT,
    CONTAINER,
    DEVICE,
    DROP_REASON,
    ERROR_CODE,
    GC_GENERATION,
    HOOK,
    HOOK_STATUS,
    KEEP_REASON,
    NAMESPACE,
    NODE,
    POD,
    PORT,
    REFUSAL,
    SERVICE,
    SOURCE,
    WORKER,
)
from inferometer.catalog.model import Counter, Gauge, Histogram, Info, Label, Unit

VERSION_LABEL: Final = Label(name="version", help="Version of inferometer.", max_values=10)

BUILD_INFO: Final = Info(
    name="inferometer_build_info",
    unit=Unit.COUNT,
    help="Version and part that serves this page.",
    labels=(VERSION_LABEL, COMPONENT),
)
WORKER_INFO: Final = Info(
    name="inferometer_worker_info",
    unit=Unit.COUNT,
    help="Where a worker runs in a Kubernetes cluster, for a join on service and pid; absent outside of one.",
    labels=(SERVICE, WORKER, NODE, NAMESPACE, POD, CONTAINER),
)
RECORDS: Final = Counter(
    name="inferometer_records_total", unit=Unit.COUNT, help="Request records taken in.", labels=(SERVICE,)
)
FRAMES: Final = Counter(name="inferometer_frames_total", unit=Unit.COUNT, help="Frames taken in.", labels=(SERVICE,))
DROPS: Final = Counter(
    name="inferometer_dropped_total",
    unit=Unit.COUNT,
    help="Records and spans that were given up, by reason.",
    labels=(COMPONENT, DROP_REASON),
)
WORKERS: Final = Gauge(
    name="inferometer_workers",
    unit=Unit.COUNT,
    help="Workers that sent a frame in the last 30 seconds.",
    labels=(SERVICE,),
)
FRAME_LAG: Final = Gauge(
    name="inferometer_frame_lag_seconds",
    unit=Unit.SECONDS,
    help="Age of the oldest live worker's newest frame.",
)
PASS_DURATION: Final = Histogram(
    name="inferometer_pass_duration_seconds", unit=Unit.SECONDS, help="Time of one pass of the intake."
)
TRACES_KEPT: Final = Counter(
    name="inferometer_traces_kept_total",
    unit=Unit.COUNT,
    help="Traces that were kept, by first reason.",
    labels=(KEEP_REASON,),
)
SPANS_EXPORTED: Final = Counter(
    name="inferometer_spans_exported_total", unit=Unit.COUNT, help="Spans that the trace store accepted."
)
SPANS_RECEIVED: Final = Counter(
    name="inferometer_spans_received_total",
    unit=Unit.COUNT,
    help="Spans of others that a port of the sidecar took in.",
    labels=(PORT,),
)
SPANS_STORED: Final = Counter(
    name="inferometer_spans_stored_total",
    unit=Unit.COUNT,
    help="Spans of others that the flight recorder has, in its waterfalls.",
)
SPANS_LET_GO: Final = Counter(
    name="inferometer_spans_let_go_total",
    unit=Unit.COUNT,
    help="Spans of others that went before their age, because the flight recorder holds so many and no more.",
)
SPANS_LATE: Final = Counter(
    name="inferometer_spans_late_total",
    unit=Unit.COUNT,
    help="Spans of an engine that came when their request was recorded: in its waterfall, not in its stages and cost.",
)
SPANS_FORWARDED: Final = Counter(
    name="inferometer_spans_forwarded_total",
    unit=Unit.COUNT,
    help="Spans of others that the trace store accepted from us.",
)
REFUSALS: Final = Counter(
    name="inferometer_refusals_total",
    unit=Unit.COUNT,
    help="Requests and connections that a port of the sidecar refused.",
    labels=(PORT, REFUSAL),
)
EXPORT_FAILURES: Final = Counter(
    name="inferometer_export_failures_total", unit=Unit.COUNT, help="Attempts to export traces that failed."
)
HOOK_STATE: Final = Gauge(
    name="inferometer_hook_status",
    unit=Unit.COUNT,
    help="1 for the state a hook is in, in any worker.",
    labels=(SERVICE, HOOK, HOOK_STATUS),
)
HOOK_ERRORS: Final = Counter(
    name="inferometer_hook_errors_total",
    unit=Unit.COUNT,
    help="Errors of ours that a hook caught.",
    labels=(SERVICE, HOOK),
)
PROXY_SKEWS: Final = Counter(
    name="inferometer_proxy_skews_total",
    unit=Unit.COUNT,
    help="Waits in a proxy that were dropped: its clock is ahead of this host's, or more than 10 minutes behind.",
    labels=(SERVICE,),
)
SOURCE_ERRORS: Final = Counter(
    name="inferometer_source_errors_total", unit=Unit.COUNT, help="Readings that failed.", labels=(SOURCE,)
)
SOURCE_CALL_ERRORS: Final = Counter(
    name="inferometer_source_call_errors_total",
    unit=Unit.COUNT,
    help="Calls of a driver's library that failed or did not return in time; what it does not support is no failure.",
    labels=(SOURCE, CALL, ERROR_CODE),
)
LATE_DEVICE_SECONDS: Final = Counter(
    name="inferometer_late_device_seconds_total",
    unit=Unit.SECONDS,
    help="Device time reported after the ledger had closed those seconds; never reassigned.",
    labels=(DEVICE,),
)
SERIES_LIMITED: Final = Counter(
    name="inferometer_series_limited_total",
    unit=Unit.COUNT,
    help="Observations that went to the series `other` because a family was full.",
)
RECORDER_ROWS: Final = Gauge(name="inferometer_recorder_rows", unit=Unit.COUNT, help="Requests in the flight recorder.")
RECORDER_BYTES: Final = Gauge(
    name="inferometer_recorder_size_bytes", unit=Unit.BYTES, help="Size of the flight recorder's file."
)
PROCESS_CPU: Final = Counter(
    name="process_cpu_seconds_total", unit=Unit.SECONDS, help="CPU time of a worker.", labels=(SERVICE, WORKER)
)
PROCESS_MEMORY: Final = Gauge(
    name="process_resident_memory_bytes",
    unit=Unit.BYTES,
    help="Resident memory of a worker.",
    labels=(SERVICE, WORKER),
)
GC_COLLECTIONS: Final = Counter(
    name="python_gc_collections_total",
    unit=Unit.COUNT,
    help="Garbage collections of a worker.",
    labels=(SERVICE, WORKER, GC_GENERATION),
)
