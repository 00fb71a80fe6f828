"""The example of docs/ledger.md is what the ledger says."""

from pathlib import Path

import pytest

from inferometer_exporters.ledger.account import State

SECOND = 10**9
PICO = 10**12
DOCS = Path(__file__).parents[3] / "docs" / "ledger.md"


@pytest.fixture
def example(made):
    """The ten seconds, and what A (1) and B (2) owe."""
    one = made()
    one.ledger.loaded(1, 0, 2 * SECOND)
    one.tell(
        {"span_id": 1, "execute_id": 1, "start": 2 * SECOND, "end": 6 * SECOND},
        {"span_id": 2, "execute_id": 2, "start": 4 * SECOND, "end": 8 * SECOND},
        {"span_id": 0, "execute_id": 3, "start": 8 * SECOND, "end": 8 * SECOND + SECOND // 2},
    )
    return one, one.settle(10 * SECOND)


def row(name):
    """Seconds and dollars of a row of the second table."""
    line = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {name}")][-1]
    *_, seconds, usd = (cell.strip(" *") for cell in line.strip("|").split("|"))
    return float(seconds), float(usd)


@pytest.mark.parametrize(("name", "span"), [("A:", 1), ("B:", 2)])
def test_what_a_request_owes(example, name, span):
    owed = example[1][span]

    assert row(name) == (owed["ns"] / SECOND, owed["picodollars"] / PICO)


@pytest.mark.parametrize("state", [State.ATTRIBUTED, State.SYSTEM, State.LOADING, State.WARM_IDLE])
def test_what_the_device_did(example, state):
    ns = example[0].gpu.states[state]

    assert row(f"`{state.value}`") == (ns / SECOND, pytest.approx(ns / SECOND * 0.001))


def test_the_bill(example):
    gpu = example[0].gpu

    assert row("**the bill**") == (gpu.wall / SECOND, gpu.bill / PICO)
    assert gpu.idle_cost / PICO == pytest.approx(row("`loading`")[1] + row("`warm_idle`")[1])
