"""The text of a fleet with autoscalers; each may be another one."""

SCALED = {
    "embedder": "{kind: keda, min: 1, max: 8, target: {queue: 2, in_flight: 8, p99: 250ms}, cold_start: 20s}",
    "llm": (
        "{kind: keda, min: 0, max: 4, target: {queue: 5, time_to_first_token: 1s}, cold_start: 90s, "
        "gpu: NVIDIA H100 80GB HBM3, gpus: 2, wake: {service: gateway, model: /chat}}"
    ),
}
FLEET = """\
version: 1
fleet: shop
services:
  gateway:
    engine: fastapi
    timeout: 180s
    models:
      /chat: {objectives: [available]}
  embedder:
    engine: fastapi
    models:
      minilm:
        objectives: [available, interactive]
        autoscaling: EMBEDDER
  llm:
    engine: fastapi
    timeout: 120s
    models:
      llama-8b:
        objectives: [available]
        autoscaling: LLM
objectives:
  available: {sli: availability, target: 99, window: 30d}
  interactive: {sli: latency, threshold: 250ms, target: 95, window: 30d}
devices:
  - match: {kind: gpu, model: "NVIDIA H100*"}
    price: {usd_per_hour: 2.99, kind: reserved, source: contract, as_of: 2026-10-01}
  - match: {kind: cpu}
    price: {usd_per_hour: 0.20, kind: on_demand, source: list, as_of: 2026-10-01}
receivers:
  oncall: {webhook: {url: "http://127.0.0.1:9099/page"}}
routes: {page: oncall, ticket: oncall}
"""


def fleet_text(**autoscaling: str) -> str:
    said = {**SCALED, **autoscaling}
    return FLEET.replace("EMBEDDER", said["embedder"]).replace("LLM", said["llm"])
