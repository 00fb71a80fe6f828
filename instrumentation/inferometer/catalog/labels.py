"""Every label name, with what bounds its values."""

from typing import Final

from inferometer.catalog.model import Label
from inferometer.catalog.stages import Outcome, Stage

SERVICE: Final = Label(name="service", help="OTEL_SERVICE_NAME, else the application's module.", max_values=200)
MODEL: Final = Label(name="model", help="Annotated, else named by a hook, else the route template.", max_values=500)
VERSION: Final = Label(name="version", help="Version of the model; empty where nobody says it.", max_values=50)
REGION: Final = Label(name="region", help="INFEROMETER_REGION; empty where it is not set.", max_values=50)
TENANT: Final = Label(
    name="tenant", help="A known tenant of fleet.yaml, else `other`; empty without one.", max_values=200
)
CLASS: Final = Label(name="class", help="Bounded request class such as interactive or batch.", max_values=10)
STAGE: Final = Label(name="stage", help="Stage of the request.", values=tuple(s.label for s in Stage))
OUTCOME: Final = Label(name="outcome", help="How the request ended.", values=tuple(o.label for o in Outcome))
ENTRY: Final = Label(name="entry", help="Whether the hop has no instrumented caller.", values=("true", "false"))
DIRECTION: Final = Label(name="direction", help="Tokens read or written.", values=("input", "output"))
SLO: Final = Label(
    name="slo", help="An objective of one model in fleet.yaml: service, model and objective.", max_values=2000
)
RESULT: Final = Label(name="result", help="Whether the event was good or bad.", values=("good", "bad"))
CLOSE_REASON: Final = Label(name="reason", help="Why a batch was closed.", values=("full", "timeout", "flush"))
DEVICE: Final = Label(name="device", help="UUID of a GPU or MIG slice, or the name of a CPU host.", max_values=1000)
DEVICE_STATE: Final = Label(
    name="state",
    help="What the billed device did.",
    values=("attributed", "warm_idle", "loading", "unallocated", "system", "unobserved"),
)
PHASE: Final = Label(name="phase", help="Phase of the execution.", values=("execute", "prefill", "decode"))
METHOD: Final = Label(
    name="method",
    help="How the share was found; the last four are of engines that are only scraped, of models and not of requests.",
    values=("sweep", "steps", "exclusive", "busy", "compute", "tokens", "duration"),
)
PRICE_SOURCE: Final = Label(name="source", help="Where a price comes from.", max_values=50)
AS_OF: Final = Label(name="as_of", help="Date of a price.", max_values=50)
DAY: Final = Label(name="day", help="Day (UTC) of a bill; the newest 62.", max_values=100)
PRICE_KIND: Final = Label(name="price_kind", help="Kind of price.", values=("on_demand", "spot", "reserved", "owned"))
THROTTLE_REASON: Final = Label(
    name="reason",
    help="Why clocks were held down.",
    values=("power_cap", "thermal", "hardware", "sync_boost", "other"),
)
XID: Final = Label(name="xid", help="NVIDIA's XID code.", max_values=200)
ECC_KIND: Final = Label(name="kind", help="Kind of memory error.", values=("corrected", "uncorrected"))
LINK_ERROR: Final = Label(
    name="error",
    help="What went wrong on an NVLink: a sum that is wrong, something that was sent again, a link that was trained "
    "anew, a link that stayed down.",
    values=("crc_flit", "crc_data", "replay", "recovery", "link_down"),
)
LINK_DIRECTION: Final = Label(name="direction", help="Received or transmitted by the device.", values=("rx", "tx"))
PARENT: Final = Label(name="parent", help="UUID of the GPU that a MIG instance is part of.", max_values=200)
MIG_PROFILE: Final = Label(name="profile", help="Profile of a MIG instance, such as `1g.10gb`.", max_values=50)
COMPUTE_SLICES: Final = Label(name="compute_slices", help="Compute slices of a MIG instance.", max_values=10)
PROCESS: Final = Label(
    name="pid", help="Process id, as the host counts, of a process on a GPU; `other` for the rest.", max_values=200
)
GPU_NAME: Final = Label(name="name", help="Name of the GPU, as the driver gives it.", max_values=50)
DRIVER: Final = Label(name="driver", help="Version of the driver.", max_values=20)
READING_SOURCE: Final = Label(
    name="source",
    help="Where readings come from; `replay` is a recording.",
    values=("nvml", "dcgm", "replay", "nvidia_gpu_exporter"),
)
DROP_REASON: Final = Label(
    name="reason",
    help="Why telemetry was dropped.",
    values=("buffer_full", "frame_buffer_full", "queue_full", "rejected", "late", "undecodable", "hold_full"),
)
HOOK: Final = Label(name="hook", help="Name of a hook.", max_values=100)
HOOK_STATUS: Final = Label(
    name="status", help="Whether a hook works.", values=("active", "waiting", "unsupported", "failed", "off")
)
SOURCE: Final = Label(name="source", help="A source of readings.", max_values=30)
CALL: Final = Label(name="call", help="Call of a driver's library, as the library names it.", max_values=60)
ERROR_CODE: Final = Label(
    name="code", help="The library's error, or `deadline` for a call that did not return in time.", max_values=40
)
KEEP_REASON: Final = Label(
    name="reason", help="Why a trace was kept.", values=("slow", "failed", "dear", "rare", "baseline")
)
GC_GENERATION: Final = Label(
    name="generation", help="Generation of Python's garbage collector.", values=("0", "1", "2")
)
COMPONENT: Final = Label(
    name="component", help="Part of inferometer.", values=("worker", "intake", "receiver", "sidecar")
)
PORT: Final = Label(
    name="port",
    help="A port of the sidecar by what it serves.",
    values=("metrics", "api", "otlp_grpc", "otlp_http", "frames"),
)
REFUSAL: Final = Label(
    name="reason",
    help="Why a port refused a request or a connection.",
    values=("unauthorized", "undecodable", "too_large", "too_slow", "too_many", "busy", "unsupported", "foreign"),
)
RESOURCE: Final = Label(name="resource", help="What threads wait for.", values=("cpu", "memory", "io"))
PRESSURE_KIND: Final = Label(
    name="kind", help="`some`: at least one thread waited; `full`: all that had work did.", values=("some", "full")
)
LOAD_WINDOW: Final = Label(name="window", help="Time over which the kernel averages.", values=("1m", "5m", "15m"))
NAMESPACE: Final = Label(name="namespace", help="Kubernetes namespace of a pod.", max_values=500)
POD: Final = Label(name="pod", help="Name of a Kubernetes pod.", max_values=1000)
CONTAINER: Final = Label(
    name="container", help="Name of a container, else the first 12 digits of its id.", max_values=1000
)
POD_UID: Final = Label(name="pod_uid", help="UID of a Kubernetes pod; empty outside of one.", max_values=1000)
NODE: Final = Label(name="node", help="Name of a Kubernetes node.", max_values=1000)
WORKER: Final = Label(name="pid", help="Process id of a worker.", max_values=200)
REPLICA: Final = Label(
    name="replica",
    help="Address of an engine's page; behind a slash which of the engines, where one page has several.",
    max_values=2_000,
)
ENGINE: Final = Label(name="engine", help="Model server, as fleet.yaml names it.", max_values=40)
ENGINE_VERSION: Final = Label(
    name="engine_version",
    help="Version of the model server, or the range that the names on its page allow.",
    max_values=200,
)
VERSION_FROM: Final = Label(
    name="version_from", help="Who says the version.", values=("page", "fleet", "names", "unknown")
)
LOOKUP: Final = Label(name="result", help="Whether the cache had it.", values=("hit", "miss"))
LOAD_PHASE: Final = Label(name="phase", help="Part of a model's load; empty: all of it.", max_values=20)
SCRAPE_FAILURE: Final = Label(
    name="reason",
    help="Why an engine's page could not be read.",
    values=("unreachable", "timeout", "too_large", "unreadable", "other_engine"),
)
