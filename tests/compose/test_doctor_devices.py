"""What the doctor says of foreign engines on hosts with several GPUs."""

import pytest

from inferometer.catalog import engines
from inferometer.catalog.gpus import GPU_INFO
from inferometer.fleet.loader import loads
from inferometer_compose.doctor import engine_devices
from inferometer_compose.doctor.link import State, Where
from inferometer_exporters.pages.exposition import points

NOWHERE = "http://127.0.0.1:9"
FLEET = """\
version: 1
fleet: f
services:
  llm:
    engine: vllm
    pages: ["http://127.0.0.1:8000/metrics", "http://127.0.0.1:8001/metrics"]
    {devices}
    models: {{qwen: {{objectives: [available]}}}}
objectives: {{available: {{sli: availability, target: 99, window: 30d}}}}
devices:
  - match: {{kind: gpu}}
    price: {{usd_per_hour: 2, kind: on_demand, source: list, as_of: 2026-10-01}}
receivers: {{a: {{webhook: {{url: "http://127.0.0.1:9/a"}}}}}}
routes: {{page: a, ticket: a}}
"""


def links(gpus: int, *, devices: str = "", engine: str = "vllm"):
    lines = [f'{GPU_INFO.name}{{device="GPU-{n}"}} 1' for n in range(gpus)]
    lines += [
        f'{engines.INFO.name}{{service="llm",replica="127.0.0.1:{port}",engine="{engine}"}} 1' for port in (8000, 8001)
    ]
    where = Where(
        metrics=NOWHERE, api=NOWHERE, prometheus=NOWHERE, jaeger=NOWHERE, grafana=None, time_scale=1, environment={},
        fleet=loads(FLEET.format(devices=devices)),
    )  # fmt: skip
    # What was read of the page is kept with where it is.
    where.__dict__["page"] = points("".join(f"{line}\n" for line in lines).encode())
    return list(engine_devices.look(where))


def test_an_engine_on_one_of_several_gpus_is_named_with_what_to_write():
    (link,) = links(2)

    assert link.state is State.BROKEN
    assert link.says.startswith("nobody knows on which of 2 GPUs llm run")
    assert link.cure.startswith('services.llm.devices: ["GPU-0"], an entry for each of its 2 pages, or one for all')
    assert "there are GPU-0, GPU-1" in link.cure


@pytest.mark.parametrize(("gpus", "devices"), [(1, ""), (2, 'devices: ["GPU-0,GPU-1"]')])
def test_where_it_is_clear_the_link_holds(gpus, devices):
    (link,) = links(gpus, devices=devices)

    assert link.state is State.WHOLE


@pytest.mark.parametrize(("gpus", "engine"), [(0, "vllm"), (2, "dynamo")])
def test_a_host_without_gpus_and_a_router_need_none(gpus, engine):
    assert links(gpus, engine=engine) == []
