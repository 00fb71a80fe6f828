"""What the doctor says of foreign engines that could tell more than they do."""

import pytest

from inferometer.catalog import engines, requests
from inferometer.catalog.engines import KV_CACHE
from inferometer_compose.doctor import engine_signals, scraping
from inferometer_compose.doctor.link import Link, State, Where
from inferometer_exporters.pages.exposition import points

NOWHERE = "http://127.0.0.1:9"


def info(service: str, engine: str, version: str = "") -> str:
    return f'{engines.INFO.name}{{service="{service}",engine="{engine}",engine_version="{version}"}} 1'


SERVED = f'{requests.REQUESTS.name}{{service="flowers",model="flowers",outcome="ok"}} 3'


def links(*lines: str) -> list[Link]:
    looked = where()
    # What was read of the page is kept with where it is.
    looked.__dict__["page"] = points("".join(f"{line}\n" for line in lines).encode())
    return list(engine_signals.look(looked))


def of_batches(shown: str) -> list[Link]:
    found = links(info("flowers", "ray-serve"), SERVED, shown)
    return [link for link in found if requests.BATCH_SIZE.name in link.says]


def where() -> Where:
    return Where(
        metrics=NOWHERE, api=NOWHERE, prometheus=NOWHERE, jaeger=NOWHERE, grafana=None, fleet=None, time_scale=1,
        environment={},
    )  # fmt: skip


def test_an_engine_that_tells_less_than_it_can_is_named_with_its_own_option():
    (batches,) = [link for link in links(info("flowers", "ray-serve", "2.60.0"), SERVED) if "batch" in link.says]

    assert batches.says == f"flowers (Ray Serve) does not tell {requests.BATCH_SIZE.name}"
    assert batches.cure == "the engine's switch: @serve.batch on the method"
    assert batches.state is State.UNSEEN


def test_what_an_engine_tells_needs_no_option():
    shown = f'{requests.BATCH_SIZE.name}_bucket{{service="flowers",model="flowers",le="+Inf"}} 3'

    assert not [
        link for link in links(info("flowers", "ray-serve"), SERVED, shown) if requests.BATCH_SIZE.name in link.says
    ]


def test_what_another_service_tells_does_not_count():
    shown = f'{requests.BATCH_SIZE.name}_bucket{{service="other",model="m",le="+Inf"}} 3'

    assert [
        link for link in links(info("flowers", "ray-serve"), SERVED, shown) if requests.BATCH_SIZE.name in link.says
    ]


def test_before_its_first_request_an_engine_is_only_said_to_lack_what_it_never_tells():
    assert not [link for link in links(info("flowers", "ray-serve")) if requests.BATCH_SIZE.name in link.says]
    assert [link for link in links(info("llm", "vllm", "0.32.0")) if "--otlp-traces-endpoint" in link.cure]


def test_a_sidecar_that_asks_prometheus_who_it_is_has_its_own_cure():
    target = {"health": "down", "scrapeUrl": NOWHERE, "lastError": "server returned HTTP status 401 Unauthorized"}
    link = scraping._scraped(where(), [target])

    assert link.state is State.BROKEN
    assert "sidecar: {token_file:" in link.cure


def test_signals_of_one_option_are_one_line():
    found = links(info("chat", "sglang", "0.5.23"))

    assert len({link.cure for link in found}) == len(found) > 0
    assert all("chat (SGLang)" in link.says for link in found)


@pytest.mark.parametrize("engine", ["mlserver", "unheard-of"])
def test_an_engine_without_options_or_without_a_mapping_is_not_spoken_of(engine):
    assert links(info("iris", engine)) == []


def test_a_page_without_engines_says_nothing():
    assert links(f'{KV_CACHE.name}{{service="mine"}} 0.5') == []
