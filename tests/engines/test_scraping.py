"""Engines that are scraped: what our page shows while they run, restart, change, hang and go."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from inferometer.aggregate import Exposition, Snapshot
from inferometer.aggregate.sample import joined
from inferometer.catalog import engines as catalog
from inferometer.catalog import requests
from inferometer.errors import RefusedError
from inferometer.fleet.thresholds import EnginePages
from inferometer_exporters.engines import scrape as scraping
from inferometer_exporters.engines.fleet import Engines, of_fleet, parse
from inferometer_exporters.engines.scrape import STALE_PERIODS, Scraped, Scraper
from inferometer_exporters.pages.fetch import PageUrl

PAGES = Path(__file__).parents[1] / "data/engines/vllm"
TOKENS = "# TYPE vllm:prompt_tokens_total counter", 'vllm:prompt_tokens_total{{model_name="m",engine="0"}} {}'
PREEMPTIONS = "# TYPE vllm:num_preemptions_total counter", 'vllm:num_preemptions_total{{model_name="m",engine="0"}} {}'


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def scraper(engine, clock, tmp_path):
    return scraper_of(engine, clock, tmp_path)


def scraper_of(engine, clock, folder, name: str | None = "vllm") -> Scraper:
    scraped = Scraped(url=PageUrl.parse(engine.url), service="llm", engine=name, model="only")
    return Scraper(scraped, region="eu", folder=folder, monotonic=clock)


def page(scraper: Scraper) -> str:
    exposition = Exposition(lambda: joined(Snapshot(), scraper.families()))
    answer = exposition.respond()
    answer.fetched()
    return answer.body.decode()


def shown(scraper: Scraper, entry) -> dict[str, float]:
    found = re.findall(rf"^{entry.name}{{(.*)}} (\S+)$", page(scraper), re.MULTILINE)
    return {labels: float(value) for labels, value in found}


def value(scraper: Scraper, entry) -> float | None:
    found = shown(scraper, entry)
    return next(iter(found.values())) if found else None


def says(engine, tokens: int, preemptions: int | None = None) -> None:
    lines = [TOKENS[0], TOKENS[1].format(tokens)]
    lines += [] if preemptions is None else [PREEMPTIONS[0], PREEMPTIONS[1].format(preemptions)]
    engine.says(*lines)


def test_series_carry_service_model_region_and_replica(engine, scraper):
    says(engine, 5)
    scraper.scrape()

    (labels,) = shown(scraper, requests.TOKENS)
    assert labels == f'service="llm",model="m",region="eu",direction="input",replica="127.0.0.1:{engine.port}/0"'


def test_a_captured_page_keeps_its_own_boundaries_and_is_valid_in_every_format(engine, scraper):
    engine.page = (PAGES / "vllm-0.32.0-cpu.prom").read_bytes()
    scraper.scrape()
    text = page(scraper)

    first_token = re.findall(
        rf'^{requests.TIME_TO_FIRST_TOKEN.name}_bucket{{.*le="([^"]*)"}} (\d+)$', text, re.MULTILINE
    )
    assert (first_token[0], first_token[-2:]) == (("0.001", "0"), [("2560.0", "205"), ("+Inf", "205")])
    assert text.count(f"# TYPE {requests.TIME_TO_FIRST_TOKEN.name} ") == 1


def test_totals_go_on_when_the_engine_begins_anew(engine, scraper):
    says(engine, 100)
    scraper.scrape()
    says(engine, 30)
    scraper.scrape()

    assert value(scraper, requests.TOKENS) == 130
    assert value(scraper, catalog.RESTARTS) == 1


def test_totals_go_on_when_the_engine_begins_anew_while_no_sidecar_runs(engine, clock, tmp_path):
    first = scraper_of(engine, clock, tmp_path)
    says(engine, 100, 7)
    first.scrape()
    says(engine, 30)

    second = scraper_of(engine, clock, tmp_path)
    second.scrape()

    assert value(second, requests.TOKENS) == 130
    assert value(second, catalog.RESTARTS) == 1


def test_a_sum_of_series_does_not_fall_where_one_of_them_comes_later_after_a_restart(engine, clock, tmp_path):
    line = 'vllm:request_success_total{{model_name="m",finished_reason="{}"}} {}'
    declared = "# TYPE vllm:request_success_total counter"
    first = scraper_of(engine, clock, tmp_path)
    engine.says(declared, line.format("stop", 40), line.format("length", 60))
    first.scrape()
    engine.says(declared, line.format("length", 1))

    second = scraper_of(engine, clock, tmp_path)
    second.scrape()
    assert value(second, requests.REQUESTS) == 101, "what stopped before the restart is still counted"
    engine.says(declared, line.format("stop", 2), line.format("length", 3))
    second.scrape()

    assert value(second, requests.REQUESTS) == 105


def test_a_total_that_begins_later_shows_0_until_that_was_fetched(engine, scraper):
    says(engine, 5)
    scraper.scrape()
    says(engine, 6, 3)
    scraper.scrape()

    assert value(scraper, catalog.PREEMPTIONS) == 0
    scraper.scrape()
    assert value(scraper, catalog.PREEMPTIONS) == 3
    assert value(scraper, requests.TOKENS) == 6, "what was there from the beginning is shown as it is"


def test_an_engine_that_answers_no_more_is_down_at_once_and_its_series_end_soon(engine, scraper, clock):
    says(engine, 5)
    scraper.scrape()
    engine.status = 503
    scraper.scrape()

    assert value(scraper, catalog.UP) == 0
    assert value(scraper, requests.TOKENS) == 5
    clock.now += STALE_PERIODS * scraping.PERIOD_SECONDS + 1
    assert value(scraper, requests.TOKENS) is None
    assert value(scraper, catalog.UP) == 0


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"", 503, "unreachable"),
        (b"vllm:x 1", 200, "unreadable"),
        (b"<html></html>\n", 200, "unreadable"),
        (b"# TYPE other gauge\nother 1\n", 200, "other_engine"),
    ],
)
def test_each_failure_is_counted_by_its_reason(engine, scraper, body, status, reason):
    engine.page, engine.status = body, status
    scraper.scrape()

    failures = shown(scraper, catalog.SCRAPE_FAILURES)
    assert {re.search(r'reason="(\w+)"', labels)[1]: n for labels, n in failures.items() if n} == {reason: 1}


def test_a_page_that_is_too_large_or_too_slow_is_a_failure_of_that_name(engine, scraper, monkeypatch):
    says(engine, 5)
    monkeypatch.setattr(scraping, "MAX_PAGE_BYTES", 10)
    scraper.scrape()
    monkeypatch.setattr(scraping, "MAX_PAGE_BYTES", 1 << 20)
    monkeypatch.setattr(scraping, "DEADLINE_SECONDS", 0.0)
    scraper.scrape()

    failures = shown(scraper, catalog.SCRAPE_FAILURES)
    assert {re.search(r'reason="(\w+)"', labels)[1]: n for labels, n in failures.items() if n} == {
        "too_large": 1,
        "timeout": 1,
    }


def test_failures_are_counted_on_after_a_restart_of_the_sidecar(engine, clock, tmp_path):
    engine.status = 500
    scraper_of(engine, clock, tmp_path).scrape()
    again = scraper_of(engine, clock, tmp_path)
    again.scrape()

    assert max(shown(again, catalog.SCRAPE_FAILURES).values()) == 2


def test_an_engine_that_nobody_named_is_found_by_its_page(engine, clock, tmp_path):
    engine.page = (PAGES / "vllm-0.9.2-cpu.prom").read_bytes()
    scraper = scraper_of(engine, clock, tmp_path, None)
    scraper.scrape()

    (labels,) = shown(scraper, catalog.INFO)
    assert 'engine="vllm",engine_version=">=0.9 <0.12",version_from="names"' in labels


def test_names_that_the_mapping_does_not_know_are_counted(engine, scraper):
    says(engine, 5)
    engine.page += b"# TYPE vllm:brand_new gauge\nvllm:brand_new 1\n"
    scraper.scrape()

    assert value(scraper, catalog.UNKNOWN) == 1


def test_clients_that_make_models_up_do_not_make_series_without_end(engine, scraper):
    line = 'vllm:prompt_tokens_total{{model_name="m{}",engine="0"}} 1'
    engine.says(TOKENS[0], *(line.format(number) for number in range(1000)))
    scraper.scrape()

    found = shown(scraper, requests.TOKENS)
    assert len(found) <= 201
    assert sum(found.values()) == 1000, "what finds no room is counted as other"


def test_a_state_of_another_format_is_not_used_and_nothing_breaks(engine, clock, tmp_path):
    says(engine, 5)
    first = scraper_of(engine, clock, tmp_path)
    first.scrape()
    document = json.loads(first._page.dump())
    first._page.dump = lambda: json.dumps({**document, "format": 0}).encode()
    first._keep()

    second = scraper_of(engine, clock, tmp_path)
    second.scrape()

    assert value(second, requests.TOKENS) == 5


def test_two_pages_of_a_service_at_one_address_are_refused(tmp_path):
    pages = [parse(f"llm:vllm=http://127.0.0.1:1/{path}") for path in ("a", "b")]

    with pytest.raises(RefusedError, match=r"llm has two pages at 127\.0\.0\.1:1"):
        Engines(pages, folder=tmp_path)


def test_totals_of_pages_that_are_read_no_more_are_kept_for_a_week(engine, clock, tmp_path):
    says(engine, 5)
    scraper_of(engine, clock, tmp_path).scrape()
    here = {path.name for path in tmp_path.iterdir()}
    other = parse("llm:vllm=http://127.0.0.1:1/metrics")
    Engines([other], folder=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == here

    for path in tmp_path.iterdir():
        os.utime(path, (0, 0))
    Engines([replace(other, url=PageUrl.parse(engine.url))], folder=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == here, "it is read"
    Engines([other], folder=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", ["llm", "=http://x", "llm=", "llm:nothing=http://x", "llm:vllm=ftp://x"])
def test_what_is_no_page_of_an_engine_is_refused(wrong):
    with pytest.raises(RefusedError):
        parse(wrong)


def test_pages_of_thresholds_json_are_scraped():
    told = EnginePages(
        service="llm", engine="vllm", pages=("http://a:1/metrics", "http://b:2"), version="0.32", model="m"
    )

    first, second = of_fleet([told])

    assert (first.replica, second.replica, second.url.path) == ("a:1", "b:2", "/metrics")
    assert (first.engine, first.version, first.model) == ("vllm", "0.32", "m")
