"""What each engine's own spans say of a request: its stages, its model, its tokens."""

from typing import Final

from inferometer_exporters.receivers.engine_spans import dynamo, ray_serve, sglang, tgi, triton, vllm
from inferometer_exporters.receivers.facts import GENERATION, Normalizer

NORMALIZERS: Final[tuple[Normalizer, ...]] = (
    vllm.NORMALIZER,
    sglang.NORMALIZER,
    triton.NORMALIZER,
    tgi.NORMALIZER,
    ray_serve.NORMALIZER,
    dynamo.NORMALIZER,
    GENERATION,
)
"""In the order in which they are asked: who knows more comes first."""
