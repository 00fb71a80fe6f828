"""Attributes that model servers write on spans of their own; we read them and never write them.

Source of each name: the server's own code, as the module that reads it says.
"""

from typing import Final

FIRST_TOKEN_TIME: Final = "gen_ai.latency.time_to_first_token"
"""vLLM, SGLang: from the arrival, s."""
QUEUE_TIME: Final = "gen_ai.latency.time_in_queue"
"""vLLM: until the scheduler took it, s."""
PREFILL_TIME: Final = "gen_ai.latency.time_in_model_prefill"
"""vLLM: from there to the first token, s."""
DECODE_TIME: Final = "gen_ai.latency.time_in_model_decode"
"""vLLM: from there to the last token, s."""
CACHED_TOKENS: Final = "gen_ai.usage.cached_tokens"
"""SGLang: tokens of the prompt that a prefix cache had."""
VLLM_MODULE: Final = "vllm.instrumenting_module_name"
"""vLLM, of a resource of each of its processes: which part of it writes these spans."""
DYNAMO_COMPONENT: Final = "component"
DYNAMO_ENDPOINT: Final = "endpoint"
TRITON_MODEL: Final = "triton.model_name"
TRITON_VERSION: Final = "triton.model_version"
SGLANG_RID: Final = "rid"
TGI_VALIDATION_TIME: Final = "validation_time"
"""TGI, as the two that follow: a duration as Rust prints it, such as ``1.2ms``."""
TGI_QUEUE_TIME: Final = "queue_time"
TGI_INFERENCE_TIME: Final = "inference_time"
RAY_STATUS: Final = "http.status_code"
"""Ray Serve: the HTTP status, by its older name."""
