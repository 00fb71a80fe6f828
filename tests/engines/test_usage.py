"""How long engines worked, and for which models, from one captured page to the next."""

from pathlib import Path

import pytest

from inferometer.catalog.stages import Kind
from inferometer_exporters.engines.labelling import Target
from inferometer_exporters.engines.page import EnginePage
from inferometer_exporters.engines.usage import OUTPUT_WEIGHT, UsageMeter
from inferometer_exporters.ledger.methods import Method

SECOND = 10**9
DATA = Path(__file__).parents[1] / "data" / "engines"


def usage(engine, *pages, seconds=15):
    """What an engine did between two pages."""
    page = EnginePage(Target(service="s", address="127.0.0.1:8000", model="m"), engine)
    meter = UsageMeter("s", "127.0.0.1:8000")
    found = None
    for number, body in enumerate(pages, 1):
        told = page.read(body.encode())
        found = meter.usage(told.found, number * seconds * SECOND, computes=told.computes)
    return found


VLLM = """# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{{engine="0",model_name="qwen"}} {read}
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{{engine="0",model_name="qwen"}} {written}
# TYPE vllm:prefix_cache_hits_total counter
vllm:prefix_cache_hits_total{{engine="0",model_name="qwen"}} {cached}
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{{engine="0",model_name="qwen"}} {running}
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{{engine="0",model_name="qwen"}} 0.1
# TYPE vllm:request_prefill_time_seconds histogram
vllm:request_prefill_time_seconds_bucket{{engine="0",model_name="qwen",le="+Inf"}} {count}
vllm:request_prefill_time_seconds_sum{{engine="0",model_name="qwen"}} {prefill}
vllm:request_prefill_time_seconds_count{{engine="0",model_name="qwen"}} {count}
# TYPE vllm:request_decode_time_seconds histogram
vllm:request_decode_time_seconds_bucket{{engine="0",model_name="qwen",le="+Inf"}} {count}
vllm:request_decode_time_seconds_sum{{engine="0",model_name="qwen"}} {decode}
vllm:request_decode_time_seconds_count{{engine="0",model_name="qwen"}} {count}
"""


def vllm(**more):
    said = {"read": 1000, "written": 100, "cached": 0, "running": 0, "count": 1, "prefill": 1.0, "decode": 2.0} | more
    return VLLM.format(**said)


def test_an_engine_that_counts_tokens_is_divided_by_them_without_those_of_its_prefix_cache():
    found = usage("vllm", vllm(), vllm(read=1900, cached=400, written=160, count=3, prefill=1.5, decode=5.0))

    assert found.method is Method.TOKENS
    parts = {part.phase: (part.model, part.amount) for part in found.parts}
    assert parts == {Kind.PREFILL: ("qwen", 500), Kind.DECODE: ("qwen", 60 * OUTPUT_WEIGHT)}
    # Prefill and decode of its requests: an upper bound, for they overlap.
    assert found.seconds == pytest.approx(3.5)
    assert (found.begin, found.end) == (15 * SECOND, 30 * SECOND)


def test_an_engine_that_has_requests_at_both_scrapes_may_have_worked_all_the_time():
    found = usage("vllm", vllm(running=3), vllm(running=2, written=150))

    assert found.seconds == 15


def test_an_engine_that_did_nothing_says_so():
    found = usage("vllm", vllm(), vllm())

    assert (found.parts, found.seconds) == ((), 0.0)


TRITON = """# TYPE nv_inference_request_success counter
nv_inference_request_success{{model="resnet",version="1"}} {answers}
# TYPE nv_inference_count counter
nv_inference_count{{model="resnet",version="1"}} {answers}
# TYPE nv_inference_exec_count counter
nv_inference_exec_count{{model="resnet",version="1"}} {runs}
# TYPE nv_inference_compute_infer_duration_us counter
nv_inference_compute_infer_duration_us{{model="resnet",version="1"}} {us}
"""


def test_what_ran_as_one_batch_in_triton_counts_once():
    # 80 requests in 10 batches of 8, each of 20 ms, which every one of its requests is told.
    found = usage("triton", TRITON.format(answers=5, runs=5, us=10), TRITON.format(answers=85, runs=15, us=1_600_010))

    assert found.method is Method.COMPUTE
    (part,) = found.parts
    assert (part.model, part.version) == ("resnet", "1")
    assert part.amount == pytest.approx(0.2)


BUSY = """# TYPE sglang:prompt_tokens_total counter
sglang:prompt_tokens_total{{model_name="qwen"}} {tokens}
# TYPE sglang:forward_execution_seconds_total counter
sglang:forward_execution_seconds_total{{model_name="qwen",category="EXTEND",tp_rank="0"}} {prefill}
sglang:forward_execution_seconds_total{{model_name="qwen",category="DECODE",tp_rank="0"}} {decode}
"""


def test_an_engines_own_count_of_its_gpus_work_is_believed_before_tokens():
    found = usage("sglang", BUSY.format(tokens=5, prefill=1, decode=2), BUSY.format(tokens=9, prefill=2, decode=5))

    assert (found.method, found.seconds) == (Method.BUSY, 4.0)


@pytest.mark.parametrize("engine", ["dynamo", "litellm", "llm-d-epp", "production-stack", "sglang-router"])
def test_a_router_works_on_no_device_whatever_its_page_says(engine):
    folder = {"production-stack": "vllm-production-stack-router"}.get(engine, engine)
    path = sorted((DATA / folder).glob("*.prom"))[-1 if engine != "dynamo" else 0]
    found = usage(engine, _zeroed(path), path.read_text(encoding="utf-8").rstrip() + "\n")

    assert found.parts == ()


def test_the_first_page_says_nothing_of_the_time_before_it():
    assert usage("vllm", vllm()) is None


CAPTURED = [
    ("vllm", "vllm", Method.TOKENS), ("tgi", "tgi", Method.BUSY), ("triton", "triton", Method.COMPUTE),
    ("torchserve", "torchserve", Method.DURATION), ("bentoml", "bentoml", Method.DURATION),
    ("kserve", "kserve", Method.COMPUTE), ("ray-serve", "ray-serve", Method.DURATION),
]  # fmt: skip


@pytest.mark.parametrize(("folder", "engine", "method"), CAPTURED)
def test_the_way_of_each_engine_as_its_captured_pages_allow_it(folder, engine, method):
    path = max((DATA / folder).glob(f"{engine}-[0-9]*.prom"))
    found = usage(engine, _zeroed(path), path.read_text(encoding="utf-8").rstrip() + "\n")

    assert found.method is method
    assert found.parts
    assert all(part.amount > 0 for part in found.parts)


def _zeroed(path):
    """The page as it was before any request: every number 0."""
    lines = path.read_text(encoding="utf-8").rstrip().splitlines()
    told = (line if line.startswith("#") or not line.strip() else f"{line.rpartition(' ')[0]} 0" for line in lines)
    return "\n".join(told) + "\n"
