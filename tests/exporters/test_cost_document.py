"""The example of docs/cost.md, recomputed by the pipeline, the ledger and the recorder of a sidecar."""

import re
from fractions import Fraction
from pathlib import Path

import pytest
from loaded_factor import loaded_factor

from inferometer.catalog import devices, spans
from inferometer.catalog import requests as request_series
from inferometer.catalog.index import series
from inferometer_alerts import recorded_costs
from inferometer_exporters.recorder import queries
from inferometer_exporters.recorder.schema import HISTORY, OF_REQUESTS

DOCUMENT = Path(__file__).parents[2] / "docs" / "cost.md"
PICODOLLARS = 10**12
SHAPES = {11: "acme", 12: "globex"}


def table(first_heading):
    """Cells of the table of the document that begins with a heading, without marks of bold, by the first cell."""
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {first_heading} |"))
    found = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        name, *cells = [cell.strip().strip("*") for cell in line.strip("|").split("|")]
        found[name] = [Fraction(cell) if cell else None for cell in cells]
    return found


@pytest.fixture(scope="module")
def bench(lasting_bench):
    """One for all: they only ask."""
    return lasting_bench


@pytest.fixture(scope="module")
def hour(bench, make):
    """The hour of the example, on a device of 3.60 USD an hour: a bench whose ledger has swept all of it."""
    worker, begin = make.worker(), bench.clock.now

    def frame(at, loads=(), **tables):
        arrival = worker.arrival(begin + at, gauges={"model_loads": list(loads)} if loads else None, **tables)
        for number, tenant in SHAPES.items():
            arrival.frame.names.shapes[number] = ("embedder", "minilm", "v1", "", tenant, "", "POST", "/embed")
        bench.do_pass(arrival, seconds=(begin + at - bench.clock.now) / make.SECOND)

    frame(120 * make.SECOND, loads=[["minilm", 120 * make.SECOND]])
    span, second = 0, 120
    for number, alone in ((11, 900), (12, 300)):
        for first in range(0, alone, 300):
            requests, executes = [], []
            for place in range(first, first + 300):
                at = begin + (second + place - first) * make.SECOND
                # Of globex two come together.
                for _ in range(1 if number == 11 else 2):
                    span += 1
                    requests.append(make.request(span, at, at + make.SECOND, shape=number, trace=span))
                    executes.append(make.execute(span, at, at + make.SECOND))
            second += 300
            frame(second * make.SECOND, requests=requests, executes=executes)
    for until in range(second + 300, 3_601, 300):
        frame(until * make.SECOND)
    frame(3_600 * make.SECOND)
    return bench


def test_the_ledger_of_the_example_is_that_of_the_document(hour, make):
    documented = {
        re.search(r"`(\w+)`", name)[1] if "`" in name else name: cells
        for name, cells in table("what the GPU did").items()
    }
    account = hour.pipeline.ledger.accounts[0]
    per_second = Fraction(account.bill, account.wall)
    spent = {state.value: ns for state, ns in account.states.items() if ns}

    assert account.wall == 3_600 * make.SECOND
    assert documented.pop("the bill") == [Fraction(account.wall, make.SECOND), Fraction(account.bill, PICODOLLARS)]
    assert documented == {
        state: [Fraction(ns, make.SECOND), ns * per_second / PICODOLLARS] for state, ns in spent.items()
    }
    assert (
        account.idle_cost == sum(cells[1] for name, cells in documented.items() if name != "attributed") * PICODOLLARS
    )


def test_what_tenants_owe_in_the_document_is_what_the_recorder_has(hour, make):
    cursor = hour.recorder.cursor()
    factor = loaded_factor(cursor, 0, hour.clock.wall())["box"]
    found = cursor.execute(
        "select named_tenant, count(*), sum(device_ns), sum(cost) from requests "
        "join labels on labels.id = requests.labels group by 1"
    ).fetchall()
    answers = queries.costs(cursor)
    cursor.close()
    documented = table("tenant")
    both = documented.pop("both")

    assert factor == 3
    assert set(documented) == {tenant for tenant, *_ in found} == set(SHAPES.values())
    for tenant, count, device_ns, cost in found:
        marginal, loaded = Fraction(int(cost), PICODOLLARS), int(cost) * factor / PICODOLLARS
        assert documented[tenant] == [
            count, Fraction(int(device_ns), make.SECOND), marginal, marginal * 1000 / count, loaded,
            loaded * 1000 / count,
        ]  # fmt: skip
    sums = [sum(row[index] for row in documented.values()) for index in (0, 1, 2, 4)]
    assert sums == [both[0], both[1], both[2], both[4]]
    assert both[4] * PICODOLLARS == hour.pipeline.ledger.accounts[0].bill
    assert sum(answer["cost_usd"] for answer in answers) == pytest.approx(float(both[2]))


def test_the_document_names_series_and_attributes_that_exist(hour):
    text = DOCUMENT.read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:inference|device)_\w+)`", text)) - (OF_REQUESTS | HISTORY).keys()
    attributes = {attribute.name for attribute in spans.ATTRIBUTES}

    assert {request_series.COST, request_series.REQUEST_COST, devices.UNPRICED} == {series(name) for name in named}
    assert set(re.findall(r"`(inference\.[\w.]+)`", text)) <= attributes
    assert recorded_costs.TENANT_PER_1K_LOADED.name in text
    assert hour.value(request_series.REQUEST_COST, "embedder", "minilm", "v1", "") == (1_500, 1_200 * 10**9)
