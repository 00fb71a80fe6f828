"""Names of spans and of their attributes."""

from dataclasses import dataclass
from typing import Final

from inferometer.catalog.phases import Phase
from inferometer.catalog.stages import Stage


@dataclass(frozen=True, slots=True, eq=False)
class Attribute:
    """A span attribute: its name and what it holds, with the unit. Each is declared once: one is only itself."""

    name: str
    help: str


def stage_span(stage: Stage) -> str:
    """Name of the child span of a stage."""
    return f"inference.{stage.label}"


BATCH_SPAN: Final = "inference.batch"
BATCH_MEMBER_SPAN: Final = "inference.batch.member"
"""A request in a batch, below the batch's span and linked to the request's."""
COLD_START_SPAN: Final = "inference.cold_start"
MODEL_LOAD_SPAN: Final = "inference.model_load"


def phase_span(phase: Phase) -> str:
    """Name of the span of a phase of a cold start."""
    return MODEL_LOAD_SPAN if phase is Phase.MODEL_LOAD else f"{COLD_START_SPAN}.{phase.label}"


EXEMPLAR_TRACE_ID: Final = "trace_id"
"""Label of an exemplar; Grafana's links from a graph to a trace look for it."""

MODEL_NAME: Final = Attribute("inference.model.name", "Model that answered.")
MODEL_VERSION: Final = Attribute("inference.model.version", "Its version.")
TENANT: Final = Attribute("inference.tenant", "Tenant, as the request named it.")
CLASS: Final = Attribute("inference.class", "Request class.")
OUTCOME: Final = Attribute("inference.outcome", "How the request ended.")
STAGE_KIND: Final = Attribute("inference.stage.kind", "Kind of a stage, such as the kind of a queue.")
STAGE_MERGED: Final = Attribute("inference.stage.merged", "Number of segments merged into this one.")
DEVICE: Final = Attribute("inference.device", "Device that executed.")
BATCH_SIZE: Final = Attribute("inference.batch.size", "Requests in the batch.")
BATCH_REASON: Final = Attribute("inference.batch.reason", "Why the batch was closed.")
DEVICE_SECONDS: Final = Attribute("inference.device.seconds", "Device time attributed to the request, s.")
COST: Final = Attribute("inference.cost.usd", "Marginal cost of the request, USD.")
ENERGY: Final = Attribute("inference.energy.joules", "Energy attributed to the request, J.")
COST_METHOD: Final = Attribute("inference.cost.method", "How device time was attributed.")
KEEP: Final = Attribute("inference.keep", "True: samplers further on must keep this trace.")
KEEP_REASON: Final = Attribute("inference.keep.reason", "Why the trace was kept.")
EXTERNAL_ID: Final = Attribute("inference.request.id", "What the client or a proxy calls the request: X-Request-ID.")
REQUEST_SPAN: Final = Attribute(
    "inference.request.span_id",
    "On a span of somebody else: the request that it belongs to. Device, cost and energy beside it are the request's, "
    "the same on each of its spans.",
)
PROXY_WAIT: Final = Attribute(
    "inference.proxy_wait.seconds", "Time in a proxy before the request, by the proxy's clock, s; outside the duration."
)
FIRST_CHUNK: Final = Attribute("inference.first_chunk.seconds", "Time to the first chunk of a stream, s.")
FIRST_TOKEN: Final = Attribute("inference.first_token.seconds", "Time to the first output token, s.")
TIME_PER_OUTPUT_TOKEN: Final = Attribute(
    "inference.time_per_output_token.seconds", "Mean time per output token after the first, s."
)
GPU_UTILIZATION: Final = Attribute("gpu.utilization", "Utilization of the device while it executed, 0-1.")
GPU_SM_CLOCK: Final = Attribute("gpu.sm_clock", "SM clock of the device while it executed, Hz.")
GPU_TEMPERATURE: Final = Attribute("gpu.temperature", "Highest temperature of the device while it executed, °C.")
GPU_THROTTLE: Final = Attribute("gpu.throttle_reasons", "Throttle reasons while it executed.")
HOST_UTILIZATION: Final = Attribute("host.cpu.utilization", "Utilization of the CPU host while it executed, 0-1.")
THROTTLED: Final = Attribute(
    "inference.device.throttled.seconds", "Time of the run in which clocks or a CPU quota held the device down, s."
)
# Stable names of OpenTelemetry's semantic conventions, 1.44.
HTTP_METHOD: Final = Attribute("http.request.method", "OpenTelemetry: method.")
HTTP_ROUTE: Final = Attribute("http.route", "OpenTelemetry: route template.")
HTTP_STATUS: Final = Attribute("http.response.status_code", "OpenTelemetry: status.")
HTTP_REQUEST_SIZE: Final = Attribute("http.request.body.size", "OpenTelemetry: bytes in.")
HTTP_RESPONSE_SIZE: Final = Attribute("http.response.body.size", "OpenTelemetry: bytes out.")
HTTP_RESEND_COUNT: Final = Attribute(
    "http.request.resend_count", "OpenTelemetry: times a call was sent before, to the same place, in vain."
)
RPC_SYSTEM: Final = Attribute("rpc.system.name", "OpenTelemetry: kind of remote procedure call.")
RPC_METHOD: Final = Attribute("rpc.method", "OpenTelemetry: package.Service/Method.")
RPC_STATUS: Final = Attribute("rpc.response.status_code", "OpenTelemetry: name of gRPC's status.")
# Names of OpenTelemetry's conventions for generative AI, 1.41; in development there.
GEN_AI_OPERATION: Final = Attribute("gen_ai.operation.name", "OpenTelemetry: what was done, such as chat.")
GEN_AI_RESPONSE_MODEL: Final = Attribute("gen_ai.response.model", "OpenTelemetry: model that answered.")
GEN_AI_INPUT_TOKENS: Final = Attribute("gen_ai.usage.input_tokens", "OpenTelemetry: tokens read.")
GEN_AI_OUTPUT_TOKENS: Final = Attribute("gen_ai.usage.output_tokens", "OpenTelemetry: tokens written.")
GEN_AI_FIRST_CHUNK: Final = Attribute(
    "gen_ai.response.time_to_first_chunk", "OpenTelemetry: time to the first chunk of a stream, s."
)
GEN_AI_REQUEST_MODEL: Final = Attribute("gen_ai.request.model", "OpenTelemetry: model that was asked for.")
GEN_AI_PROMPT_TOKENS: Final = Attribute("gen_ai.usage.prompt_tokens", "Older name of the tokens read; vLLM's.")
GEN_AI_COMPLETION_TOKENS: Final = Attribute("gen_ai.usage.completion_tokens", "Older name of the tokens written.")
SERVER_ADDRESS: Final = Attribute("server.address", "OpenTelemetry: host that was called.")
ERROR_TYPE: Final = Attribute("error.type", "OpenTelemetry: class of the error.")
SERVICE_NAME: Final = Attribute("service.name", "OpenTelemetry: service.")
HOST_NAME: Final = Attribute("host.name", "OpenTelemetry: host.")
PROCESS_PID: Final = Attribute("process.pid", "OpenTelemetry: process id.")
K8S_NAMESPACE: Final = Attribute("k8s.namespace.name", "OpenTelemetry: namespace of the pod.")
K8S_POD: Final = Attribute("k8s.pod.name", "OpenTelemetry: name of the pod.")
K8S_POD_UID: Final = Attribute("k8s.pod.uid", "OpenTelemetry: UID of the pod.")
K8S_NODE: Final = Attribute("k8s.node.name", "OpenTelemetry: node of the pod.")
K8S_CONTAINER: Final = Attribute("k8s.container.name", "OpenTelemetry: name of the container in its pod.")
CONTAINER_ID: Final = Attribute("container.id", "OpenTelemetry: id of the container.")
REGION: Final = Attribute("cloud.region", "OpenTelemetry: region.")

ATTRIBUTES: Final = tuple(value for value in list(globals().values()) if isinstance(value, Attribute))
