"""The live page's server: what it serves, with which headers, and what it refuses; the recorder is a stand-in."""

import asyncio
import hashlib
import json
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from inferometer_dashboards.live import app, ranges, sparklines
from inferometer_dashboards.live.answers import MAX_SERIES, panel_answer
from inferometer_dashboards.live.views import views
from inferometer_dashboards.panels import Kind, Panel, Show

ROOT = Path(__file__).parents[2]
NOW = 1_790_000_000 * 10**9
PANELS = {panel.key: panel for view in views() for panel in view.panels}


class Stub:
    """A recorder that answers nothing, and remembers what it was asked."""

    def __init__(self, tables=None, busy=0, passes=()):
        self.given, self.busy, self.asked = tables or {}, busy, []
        self.passes = list(passes)

    def now_ns(self):
        return NOW

    async def oldest_ns(self):
        return NOW - 10**10

    async def passed(self, after, seconds):  # noqa: ARG002 - the Protocol's names
        return self.passes.pop(0) if self.passes else None

    async def tables(self, statements, **how):
        self.asked.append((statements, how))
        return {key: self.given.get(key, (["value"], [])) for key in statements}

    async def count(self, since_ns, until_ns):  # noqa: ARG002 - as above
        return self.busy

    async def choices(self):
        return [("embedder", "minilm", None)]


def client(recorder=None):
    return TestClient(Starlette(routes=app.routes(recorder or Stub())))


@pytest.mark.parametrize("path", ["/", "/model", "/requests", "/slo", "/cost", "/compare", "/trace/abc"])
def test_every_view_is_one_document_without_data_that_runs_only_our_scripts(path):
    answer = client().get(path)
    policy = answer.headers["content-security-policy"]

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "<script>" not in answer.text
    assert app.is_open(path)


def test_data_is_not_open_to_whoever_has_no_token():
    for path in ("/live/views", "/live/view/fleet", "/live/events", "/api/requests", "/metrics", "/static"):
        assert not app.is_open(path)


@pytest.mark.parametrize(
    ("name", "kind"), [("main.js", "text/javascript"), ("live.css", "text/css"), ("icon.svg", "image/svg")]
)
def test_static_files_have_their_type_and_are_not_guessed(name, kind):
    answer = client().get(f"/static/{name}")

    assert answer.headers["content-type"].startswith(kind)
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", ["index.html", "nothing.js", "..%2Fapp.py", "%2e%2e%2fapp.py", "__init__.py"])
def test_nothing_else_is_a_static_file(name):
    assert client().get(f"/static/{name}").status_code == 404


def test_whatever_the_document_and_its_modules_load_is_there():
    page = client()
    found, wanted = set(), {"theme.js", "main.js", "uPlot.iife.min.js", "uPlot.min.css", "live.css", "icon.svg"}
    while wanted - found:
        name = (wanted - found).pop()
        found.add(name)
        answer = page.get(f"/static/{name}")
        assert answer.status_code == 200, name
        lines = [line for line in answer.text.splitlines() if line.startswith("import ")]
        wanted |= {line.rpartition('"./')[2].partition('"')[0] for line in lines}
    assert len(found) > 10


@pytest.mark.parametrize("name", ["uPlot.iife.min.js", "uPlot.min.css"])
def test_what_others_wrote_is_what_the_documentation_says_it_is(name):
    digest = hashlib.sha256(client().get(f"/static/{name}").content).hexdigest()

    assert f"| `{name}` | `{digest}` |" in (ROOT / "docs/live.md").read_text(encoding="utf-8")
    assert "MIT License" in client().get("/static/uPlot.LICENSE.txt").text


def test_the_menu_has_views_and_names():
    answer = client().get("/live/views").json()

    assert [view["key"] for view in answer["views"]] == ["fleet", "model", "slo", "cost"]
    assert answer["choices"] == [{"service": "embedder", "model": "minilm", "version": ""}]
    assert answer["first_seconds"] == answer["now_seconds"] - 10


def test_a_view_asks_for_each_of_its_panels_at_once():
    recorder = Stub()
    answer = client(recorder).get("/live/view/slo?since_seconds=60&service=s&model=m").json()
    ((statements, how),) = recorder.asked

    assert [panel["key"] for panel in answer["panels"]] == list(statements)
    assert how["chosen"] == {"service": "s", "model": "m", "version": "", "tenant": ""}
    assert how["step_ns"] == 10**9
    assert answer["panels"][0]["description"]


@pytest.mark.parametrize(
    ("query", "model"), [("", "minilm"), ("service=embedder", "minilm"), ("service=other", ""), ("model=vad", "vad")]
)
def test_latency_is_of_one_model_the_busiest_unless_another_is_chosen(query, model):
    recorder = Stub()
    answer = client(recorder).get(f"/live/view/model?{query}").json()

    assert recorder.asked[0][1]["chosen"]["model"] == answer["chosen"]["model"] == model


def test_much_traffic_is_shown_by_the_minute():
    recorder = Stub(busy=ranges.BUSY + 1)

    assert client(recorder).get("/live/view/fleet?since_seconds=900").json()["step_seconds"] == 60


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/live/view/nothing", 404, "no such view; there are fleet, model, slo, cost"),
        ("/live/view/fleet?since_seconds=x", 400, "a number of seconds"),
        ("/live/view/fleet?model=" + "x" * 2_000, 400, "up to 1024 printable characters are right"),
        ("/live/view/fleet?tenant=a%00b", 400, "printable characters are right"),
    ],
)
def test_what_is_wrong_is_said(path, status, message):
    answer = client().get(path)

    assert answer.status_code == status
    assert message in answer.json()["error"]


def test_each_pass_is_an_event_and_silence_a_comment():
    class Gone:
        turns = 0

        async def is_disconnected(self):
            self.turns += 1
            return self.turns > 3

    async def told():
        page = app._Page(Stub(passes=[4, 5]))
        return [text async for text in page._told(Gone())]

    assert asyncio.run(told()) == ["event: pass\ndata: 4\n\n", "event: pass\ndata: 5\n\n", ": quiet\n\n"]


def panel(kind, **more):
    return Panel(key="k", title="t", description="d", unit=Show.SECONDS, kind=kind, promql=(), **more)


SHOWN = ranges.Range(100 * 10**9, 130 * 10**9, 10 * 10**9)


def test_lines_are_aligned_and_what_is_missing_is_null():
    table = (
        ["time", "service", "model", "value"],
        [(100.0, "a", "x", 1.5), (120.0, "a", "x", 2.0), (110.0, "a", "y", 0.0)],
    )
    answer = panel_answer(panel(Kind.LINES), table, SHOWN)

    assert answer["times"] == [100.0, 110.0, 120.0]
    assert [(one["name"], one["values"]) for one in answer["series"]] == [
        ("x", [1.5, None, 2.0]),
        ("y", [None, 0.0, None]),
    ]


def test_what_is_no_number_is_no_json_number():
    table = (["time", "value"], [(100.0, float("nan")), (110.0, float("inf")), (120.0, 1 / 3)])
    answer = panel_answer(panel(Kind.LINES), table, SHOWN)

    assert json.dumps(answer, allow_nan=False)
    assert answer["series"][0]["values"] == [None, None, 0.333333]


def test_too_many_lines_are_the_largest_and_their_number():
    rows = [(100.0, f"m{n}", float(n)) for n in range(MAX_SERIES + 5)]
    answer = panel_answer(panel(Kind.STACK), (["time", "model", "value"], rows), SHOWN)

    assert (len(answer["series"]), answer["left_out"]) == (MAX_SERIES, 5)
    assert "m0" not in {one["name"] for one in answer["series"]}


def test_stages_stand_in_the_order_of_a_request():
    rows = [(100.0, stage, 0.1) for stage in ("serialize", "execute", "queue", "network")]
    answer = panel_answer(panel(Kind.STACK), (["time", "stage", "value"], rows), SHOWN)

    assert [one["name"] for one in answer["series"]] == ["network", "queue", "execute", "serialize"]


def test_a_sparkline_has_a_point_for_each_part_and_none_where_nobody_asked():
    shown = ranges.Range(100 * 10**9, 145 * 10**9, 10 * 10**9)
    rows = [("s", "m", 2, 0, 0.5), ("s", "m", 2, 2, 0.25), (None, None, 2, 1, 1 / 3), ("s", "m", 2, 3, 9.0)]
    found = sparklines.sparklines((["service", "model", "steps", "part", "value"], rows), shown)

    assert found == [
        {"service": "s", "model": "m", "values": [0.5, None, 0.25]},
        {"service": "", "model": "", "values": [None, 0.333333, None]},
    ]


def test_only_a_view_of_models_asks_for_sparklines():
    recorder = Stub()
    answers = {key: client(recorder).get(f"/live/view/{key}").json() for key in ("fleet", "model", "slo", "cost")}

    assert [key for key, answer in answers.items() if sparklines.NAME in answer] == ["fleet"]
    assert [sparklines.NAME in statements for statements, _ in recorder.asked] == [True, False, False, False]


def test_every_panel_of_a_view_has_a_query_and_says_what_to_do():
    assert {"models", "percentiles", "stage-shares-tail", "objectives", "per-1k"} <= set(PANELS)
    for one in PANELS.values():
        assert one.sql, one.key
        assert len(one.description) > 40, one.key
