"""Every query of every board on a real Prometheus that lived a known hour: not empty, right labels, right numbers."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from boards import devices, plausible, table, traffic
from boards.grafana_variables import filled, resolved
from boards.proof import FLEET, stage
from boards.targets import Found, Run
from inferometer.fleet.loader import load
from inferometer_alerts.lint.expressions import Follower
from inferometer_alerts.rule import Board
from inferometer_alerts.time_scale import SCRAPE_NS
from inferometer_dashboards import lint

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(600)]

BOARDS = pytest.mark.parametrize("uid", list(Board), ids=str)
NATIVE = 0.044
"""By how much a percentile of a native histogram may be off."""
TRACE_ID = re.compile(r"[0-9a-f]{32}")


@pytest.fixture(scope="module")
def ran() -> Iterator[SimpleNamespace]:
    """All boards, run once."""
    with stage() as known:
        yield SimpleNamespace(stage=known, of={uid: known.runs(uid) for uid in known.boards})


def everything(ran, uid) -> list[Run]:
    return [run for run in ran.of[uid] if run.variable is None]


def test_every_place_that_an_alert_or_a_link_leads_to_was_run(ran):
    assert set(ran.of) == {board.value for board in Board}


@BOARDS
def test_every_query_answers_with_everything_chosen(ran, uid):
    empty = [f"{run.target}: {run.query}" for run in everything(ran, uid) if not run.found]

    assert not empty, "\n".join(empty)


@BOARDS
def test_every_query_answers_for_a_value_of_each_of_its_variables(ran, uid):
    answers: dict[tuple[str, str], bool] = {}
    for run in ran.of[uid]:
        if run.variable is not None:
            key = str(run.target), run.variable
            answers[key] = answers.get(key, False) or bool(run.found)

    assert [key for key, answered in answers.items() if not answered] == []


@BOARDS
def test_what_is_chosen_is_what_comes_and_its_parts_are_the_whole(ran, uid):
    """Values with the signs of regular expressions among them: only right escaping gives each of them its series."""
    wrong = []
    for whole in everything(ran, uid):
        parts = [run for run in ran.of[uid] if run.target == whole.target and run.variable is not None]
        for name in {run.variable for run in parts}:
            chosen = [run for run in parts if run.variable == name]
            carried = [one for run in chosen for one in run.found if name in one.labels]
            strangers = [
                one for run in chosen for one in run.found if one.labels.get(name, run.chosen[name]) != run.chosen[name]
            ]
            offered = {run.chosen[name] for run in chosen}
            expected = {key(one) for one in whole.found if one.labels.get(name) in offered}
            if strangers or {key(one) for one in carried} != expected:
                wrong.append(f"{whole.target} by {name}: {strangers or expected ^ {key(one) for one in carried}}")

    assert not wrong, "\n".join(wrong)


def key(found: Found) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(found.labels.items()))


@BOARDS
def test_the_names_of_lines_are_in_the_result(ran, uid):
    missing = [
        (str(run.target), label)
        for run in everything(ran, uid)
        for label in run.target.legend_labels
        if not any(label in one.labels for one in run.found)
    ]

    assert missing == []


@BOARDS
def test_results_have_the_labels_that_the_query_says_and_no_others(ran, uid):
    known = lint.known(load(FLEET))
    runs = everything(ran, uid)
    shapes = [Follower(known, SCRAPE_NS).follow(run.query) for run in runs]
    wrong = [
        (str(run.target), sorted(set(one.labels) - shape.has))
        for run, shape in zip(runs, shapes, strict=True)
        for one in run.found
        if not set(one.labels) - {"__name__"} <= shape.has
    ]

    assert wrong == []


@BOARDS
def test_every_value_is_plausible_for_its_unit(ran, uid):
    wrong = [f"{run.target}: {says}" for run in everything(ran, uid) for says in plausible.wrong(run)]

    assert not wrong, "\n".join(wrong)


@BOARDS
def test_every_query_that_asks_for_dots_gets_the_ids_of_traces(ran, uid):
    asked = [run for run in everything(ran, uid) if run.target.exemplar]

    assert [str(run.target) for run in asked if not run.exemplars] == []
    if uid == Board.MODEL:
        assert asked
        found = ran.stage.server.ask(
            "query_exemplars",
            [("query", asked[0].query), ("start", str(ran.stage.over.begin)), ("end", str(ran.stage.over.end))],
        )
        ids = {exemplar["labels"]["trace_id"] for one in found for exemplar in one["exemplars"]}
        assert all(TRACE_ID.fullmatch(trace_id) for trace_id in ids)


PER_SECOND = 1 / traffic.STEP_SECONDS
SEARCH = {"service": traffic.GATEWAY, "model": traffic.SEARCH}
MINILM = {"service": traffic.EMBEDDER, "model": traffic.MINILM}
CANARY = {**MINILM, "version": "v2"}
CHAT = {"service": traffic.CHAT, "model": traffic.LLAMA}
MAGIKA = {"service": traffic.CLASSIFIER, "model": traffic.MAGIKA}
H100 = 2.99
EMBED_SECONDS = traffic.EMBED_MS / 4 / 1000
"""A member's share of its batch."""
CHAT_SECONDS = (traffic.FIRST_MS - 20 + (traffic.CHAT_TOKENS - 1) * traffic.TOKEN_MS - 1) / 1000
ON_GPU = {"device": devices.EMBEDS}
TRUTHS = [
    (Board.FLEET, "Requests per second", "A", SEARCH, traffic.SEARCHES * PER_SECOND, 0.001),
    (Board.FLEET, "Requests per second", "A", CHAT, traffic.CHATS * PER_SECOND, 0.001),
    (Board.FLEET, "Failed requests", "A", SEARCH, traffic.FAILED / traffic.SEARCHES, 0.001),
    (Board.FLEET, "Failed requests", "A", MAGIKA, 1 / traffic.FILES_SEEN, 0.001),
    (Board.FLEET, "Requests in flight", "A", {"service": traffic.GATEWAY}, 4, 0),
    (Board.FLEET, "How fast budgets burn", None, {"slo": "gateway-search-available"}, 50, 0.01),
    (Board.FLEET, "Error budget left", "A", {"slo": "gateway-search-mostly"}, 0.993, 0.002),
    (Board.FLEET, "How fast budgets burn", None, {"slo": "gateway-search-mostly"}, 0.5, 0.01),
    (Board.MODEL, "Percentiles of the duration", "C", SEARCH, traffic.SEARCH_MS / 1000, NATIVE),
    (Board.MODEL, "Time to the first token", "B", CHAT, traffic.FIRST_MS / 1000, NATIVE),
    (Board.MODEL, "Time per output token", None, CHAT, traffic.TOKEN_MS / 1000, NATIVE),
    (Board.MODEL, "Time between tokens", None, CHAT, traffic.TOKEN_MS / 1000, NATIVE),
    (Board.LLM, "Tokens per second", "A", {**CHAT, "direction": "output"}, 10, 0.001),
    (Board.LLM, "Tokens per second", "A", {**CHAT, "direction": "input"}, 100, 0.001),
    (Board.VERSIONS, "p99 by version", "A", CANARY, traffic.V2_MS / 1000, NATIVE),
    (Board.VERSIONS, "p99 by version", "A", {**MINILM, "version": "v1"}, traffic.V1_MS / 1000, NATIVE),
    (Board.VERSIONS, "Requests per second by version", "A", CANARY, traffic.CANARIES * PER_SECOND, 0.001),
    (Board.COST, "Bill", "A", {}, 3 * H100 + 0.20, 0.001),
    (Board.COST, "Bill per device", "A", ON_GPU, H100, 0.001),
    (Board.COST, "By model", "A", MINILM, EMBED_SECONDS * H100 / 3600 * 1000, 0.001),
    (Board.COST, "By model", "A", CHAT, CHAT_SECONDS * H100 / 3600 * 1000, 0.001),
    (Board.COST, "Prices", "A", ON_GPU, H100, 0),
    (Board.GPU, "Utilization", "A", ON_GPU, 0.62, 0),
    (Board.GPU, "Power drawn", "A", ON_GPU, devices.WATTS, 0),
    (Board.GPU, "Temperature", "A", ON_GPU, 64, 0),
    (Board.GPU, "PCIe", "A", {**ON_GPU, "direction": "rx"}, devices.LINK_BYTES, 0.001),
    (Board.GPU, "Held back, by reason", "A", {**ON_GPU, "reason": "thermal"}, devices.THROTTLED, 0.001),
    (Board.GPU, "XID errors in the time shown", "A", {**ON_GPU, "xid": "79"}, 6, 0.2),
    (Board.GPU, "Energy per request", "A", CHAT, devices.WATTS * CHAT_SECONDS, 0.001),
    (Board.QUEUES, "Requests per batch", "B", MINILM, 4, NATIVE),
    (Board.QUEUES, "In front: the proxy", "A", {"service": traffic.GATEWAY}, 0.005, 0.001),
    (Board.QUEUES, "Event loop: its longest delay", "A", {"service": traffic.CHAT}, 0.003, 0),
    (Board.COLD_START, "Time until ready", "A", {"service": traffic.CHAT}, 4, 0.001),
    (Board.COLD_START, "Time to load a model", "A", CHAT, 3.5, 0.001),
    (Board.SELF, "Records taken in", "A", {"service": traffic.GATEWAY}, 2, 0.001),
    (Board.SLO, "Error budget left", "A", {"slo": "gateway-search-available"}, 0.33, 0.15),
]
"""Board, panel, its query (None: any of them that has the series), labels, the value that was fed, relative error."""


@pytest.mark.parametrize(
    ("uid", "panel", "letter", "labels", "true", "error"),
    TRUTHS,
    ids=lambda value: value if isinstance(value, str) and len(value) > 1 else "",
)
def test_a_board_shows_what_was_fed(ran, uid, panel, letter, labels, true, error):
    runs = [run for run in everything(ran, uid) if run.target.panel == panel and letter in {None, run.target.letter}]
    values = [one.last for run in runs for one in run.found if labels.items() <= one.labels.items()]

    assert values, f"{[one.labels for run in runs for one in run.found]}"
    assert values == pytest.approx([true] * len(values), rel=error or 1e-9)


@pytest.mark.parametrize(
    ("uid", "panel", "parts"),
    [(Board.MODEL, "Shares of the mean", ()), (Board.FLEET, "What devices do", ("device",))],
    ids=["stages", "devices"],
)
def test_shares_sum_to_one(ran, uid, panel, parts):
    (run,) = (run for run in everything(ran, uid) if run.target.panel == panel)
    sums: dict[tuple[str, ...], float] = {}
    for one in run.found:
        of = tuple(one.labels[name] for name in parts)
        sums[of] = sums.get(of, 0) + one.last

    assert sums.values()
    assert list(sums.values()) == pytest.approx([1.0] * len(sums), abs=1e-6)


def test_a_new_version_is_marked_where_it_appears_and_an_old_one_is_not(ran):
    (run,) = (run for run in everything(ran, Board.FLEET) if run.target.panel == "annotation New versions")
    # What was there when the history began is as new as the history.
    begin = ran.stage.over.end - 2_400
    marks = ran.stage.server.range(run.query, begin, ran.stage.over.end, 15)
    marked = {(one["metric"]["service"], one["metric"].get("version")) for one in marks}

    assert (traffic.EMBEDDER, "v2") in marked
    assert (traffic.EMBEDDER, "v1") not in marked


def test_models_are_those_of_the_chosen_services(ran):
    document = ran.stage.boards[Board.MODEL]
    entry = next(one for one in document["templating"]["list"] if one["name"] == "model")
    over, server = ran.stage.over, ran.stage.server
    variables = resolved(document, server, over)
    query = filled(entry["query"], variables, {"service": traffic.CHAT}, over)
    narrowed = {**document, "templating": {"list": [{**entry, "query": query}]}}

    assert set(variables["model"].values) > {traffic.SEARCH, traffic.MINILM, traffic.LLAMA}
    assert resolved(narrowed, server, over)["model"].values == (traffic.LLAMA,)


def test_the_page_has_the_table_of_this_run(ran, capsys):
    lines = [table.line(ran.stage.boards[uid]["title"], runs) for uid, runs in ran.of.items()]
    made = table.markdown(lines)
    with capsys.disabled():
        print(f"\n{made}")  # noqa: T201 - the table is what people want to see of it
    page = (ROOT / "docs/boards.md").read_text()

    assert table.written(page, made) == page, "run PYTHONPATH=tools .venv/bin/python -m boards docs/boards.md"
