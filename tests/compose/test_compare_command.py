"""`inferometer compare`: times as people type them, a file or a sidecar, exit 1 where something is worse."""

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from inferometer.catalog.stages import Stage
from inferometer.errors import InferometerError
from inferometer_compose.commands.windows import window
from inferometer_compose.screens.compare import lines, verdict
from inferometer_exporters.compare_api import asked
from inferometer_exporters.recorder.compare_query import compare
from inferometer_exporters.recorder.names import FILE_NAME
from inferometer_exporters.recorder.queries import opened
from inferometer_exporters.recorder.store import Recorder

SECOND, HOUR = 10**9, 3_600 * 10**9
NOW = 1_790_000_000 * SECOND


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("24h..12h", NOW - 24 * HOUR, NOW - 12 * HOUR),
        ("12h..now", NOW - 12 * HOUR, NOW),
        ("12h", NOW - 12 * HOUR, NOW),
        (" 1h30m .. 5m ", NOW - 5_400 * SECOND, NOW - 300 * SECOND),
        ("2026-09-21T10:00Z..2026-09-21T12:00:00.25+00:00",
         int(datetime(2026, 9, 21, 10, tzinfo=UTC).timestamp()) * SECOND,
         int(datetime(2026, 9, 21, 12, tzinfo=UTC).timestamp()) * SECOND + SECOND // 4),
    ],
)  # fmt: skip
def test_a_window_is_read(text, begin, end):
    found = window(text, now_ns=NOW)

    assert (found.begin_ns, found.end_ns) == (begin, end)


def test_a_moment_without_an_offset_is_of_this_machines_clock(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        found = window("2026-09-21T10:00..2026-09-21T11:00", now_ns=NOW)
    finally:
        monkeypatch.undo()
        time.tzset()

    assert found.begin_ns == int(datetime(2026, 9, 21, 1, tzinfo=UTC).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("12h..24h", "ends before it begins: FROM..TO is right"),
        ("now..now", "ends before it begins"),
        ("yesterday..now", "'yesterday' in 'yesterday..now' is no time"),
        ("..", "'' in '..' is no time"),
        ("5..now", "'5' in '5..now' is no time"),
        ("2026-13-01..now", "is no time"),
    ],
)
def test_what_is_no_window_is_refused_with_what_is_right(text, message):
    with pytest.raises(InferometerError, match=message):
        window(text, now_ns=NOW)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Two hours: in the second one the model is slower by a fifth."""
    folder = tmp_path_factory.mktemp("recorded")
    recorder = Recorder(folder / FILE_NAME)
    random = np.random.default_rng(1)
    number = 8_000
    wall = np.sort(random.integers(NOW - 2 * HOUR, NOW, number))
    wall[-1] = NOW - 1
    execute = np.exp(16 + 0.4 * random.standard_normal(number)) * np.where(wall > NOW - HOUR, 1.2, 1.0)
    batch = {
        "pass": np.ones(number, np.uint64), "wall_ns": wall, "duration_ns": execute.astype(np.int64),
        "labels": np.ones(number, np.uint32), "outcome": np.zeros(number, np.uint8), "flags": np.ones(number, np.uint8),
        **{f"{stage.label}_ns": np.zeros(number, np.int64) for stage in Stage}, "execute_ns": execute.astype(np.int64),
        "cost": (execute / 100).astype(np.int64),
    }  # fmt: skip
    with closing(recorder.cursor()) as cursor:
        cursor.execute("insert into labels (pass, id, service, model, version) values (1, 1, 'svc', 'm', 'v1')")
        cursor.register("batch", batch)
        cursor.execute("insert into requests by name select * from batch").fetchall()
    recorder.close()
    return folder / FILE_NAME


def inferometer(*arguments, cwd):
    command = [sys.executable, "-m", "inferometer_compose", "compare", *arguments]
    environment = {**os.environ, "XDG_STATE_HOME": str(cwd), "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, check=False, text=True, timeout=100, cwd=cwd, env=environment)


def test_a_file_is_compared_and_what_is_worse_exits_with_1(recorded, tmp_path):
    answer = inferometer("--before", "2h..1h", "--after", "1h..now", "--recorder", str(recorded), cwd=tmp_path)

    assert answer.returncode == 1, answer.stderr
    assert "svc  m" in answer.stdout
    assert "worse by 2" in answer.stdout
    last = answer.stdout.splitlines()[-1]
    assert last.startswith("In all: after is worse than before. m: whole request")
    assert "most of it in execute" in last


def test_what_is_not_worse_exits_with_0(recorded, tmp_path):
    answer = inferometer("--before", "2h..90m", "--after", "90m..65m", "--recorder", str(recorded), cwd=tmp_path)

    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[-1].startswith("In all: ")


def test_json_is_one_object_with_all_lines(recorded, tmp_path):
    answer = inferometer("--before", "2h..1h", "--after", "1h", "--recorder", str(recorded), "--json", cwd=tmp_path)

    found = json.loads(answer.stdout)
    assert found["verdict"] == "worse"
    assert {line["figure"] for line in found["models"][0]["lines"]} >= {"mean", "p50", "p99.9", "ratio", "usd_per_1k"}


def test_nobody_to_compare_is_said_and_passes_no_gate(recorded, tmp_path):
    answer = inferometer("--versions", "v1,v2", "--recorder", str(recorded), cwd=tmp_path)

    assert answer.returncode == 2
    assert "intervals" not in answer.stdout
    assert answer.stderr == "inferometer: no service and model has requests on both sides\n"


def test_a_misspelt_name_is_shown_where_nobody_has_it(recorded, tmp_path):
    answer = inferometer("--versions", "v1,v2", "--model", "minlm", "--recorder", str(recorded), cwd=tmp_path)

    assert answer.returncode == 2
    assert answer.stderr == (
        "inferometer: no service and model has requests on both sides with --model minlm; "
        "without it you see which ones have\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say what to compare"),
        (["--before", "2h..1h"], "say what to compare"),
        (["--before", "2h..1h", "--after", "90m"], "overlap: keep them apart"),
        (["--before", "2h..1h", "--versions", "a,b"], "not both"),
        (["--versions", "a"], "two different ones are right"),
        (["--before", "x..1h", "--after", "1h"], "'x' in 'x..1h' is no time"),
    ],
)
def test_wrong_use_exits_with_2_and_one_message(recorded, tmp_path, arguments, message):
    answer = inferometer(*arguments, "--recorder", str(recorded), cwd=tmp_path)

    assert answer.returncode == 2
    assert message in answer.stderr
    assert "Traceback" not in answer.stderr


def test_without_a_sidecar_and_a_file_it_says_where_it_looked(tmp_path):
    answer = inferometer("--before", "2h..1h", "--after", "1h", "--api", "http://127.0.0.1:9", cwd=tmp_path)

    assert answer.returncode == 2
    assert "no sidecar answers at http://127.0.0.1:9" in answer.stderr


def test_a_running_sidecar_is_asked(recorded, tmp_path):
    questions = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = b"{}"
            if self.path.startswith("/api/compare"):
                given = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
                questions.append(asked(given))
                with closing(opened(recorded)) as cursor:
                    body = json.dumps(compare(cursor, questions[-1])).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        moments = [datetime.fromtimestamp((NOW - hours * HOUR) / SECOND, UTC).isoformat() for hours in (2, 1, 0)]
        answer = inferometer(
            *("--before", f"{moments[0]}..{moments[1]}", "--after", f"{moments[1]}..{moments[2]}", "--model", "m"),
            *("--api", f"http://127.0.0.1:{server.server_address[1]}"), cwd=tmp_path,
        )  # fmt: skip
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

    assert answer.returncode == 1, answer.stderr
    (question,) = questions
    assert (question.before.begin_ns, question.after.end_ns, question.model) == (NOW - 2 * HOUR, NOW, "m")


LINE = {"measure": "whole", "figure": "p99", "before": 0.143, "after": 0.160, "needed": 0}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"verdict": "worse", "change": 0.12, "low": 0.08, "high": 0.17}, "worse by 12 % (8\u201317 %)"),
        ({"verdict": "better", "change": -0.071, "low": -0.09, "high": -0.05}, "better by 7.1 % (5.0\u20139.0 %)"),
        ({"verdict": "slight", "change": 0.03, "low": 0.01, "high": 0.05},
         "differs by less than 5 %: 3.0 % (1.0\u20135.0 %)"),
        ({"verdict": "slight", "change": 1.51, "low": 1.08, "high": 2.03, "measure": "network"},
         "differs by less than 1 % of the whole request: 151 % (108\u2013203 %)"),
        ({"verdict": "not_shown", "change": 0.5, "low": -1.0, "high": 2880.45},
         "no difference shown (-100 to more than +1000 %)"),
        ({"verdict": "same", "change": 0.0, "low": -0.01, "high": 0.01}, "the same within 5 %"),
        ({"verdict": "not_shown", "change": 0.03, "low": -0.02, "high": 0.3}, "no difference shown (-2 to +30 %)"),
        ({"verdict": "not_shown", "change": None, "low": None, "high": None, "before": 0.0, "after": 0.0},
         "no difference shown"),
        ({"verdict": "too_few", "change": None, "low": None, "high": None, "needed": 20_000},
         "too few requests to say: 20,000 on each side are needed"),
        ({"verdict": "worse", "change": 0.012, "low": 0.008, "high": 0.017, "measure": "errors"},
         "worse by 1.20 points (0.80\u20131.70 points)"),
    ],
)  # fmt: skip
def test_a_verdict_is_a_plain_sentence(said, words):
    assert verdict(LINE | said, 0.05) == words


def test_stages_without_a_difference_are_counted_and_shown_when_asked_for(recorded):
    asked_for = {
        "before": f"{(NOW - 2 * HOUR) / 1e9}..{(NOW - HOUR) / 1e9}",
        "after": f"{(NOW - HOUR) / 1e9}..{NOW / 1e9}",
    }
    with closing(opened(recorded)) as cursor:
        answer = compare(cursor, asked({**asked_for, "least": "0.9"}))

    short, long = ([text.plain for text in lines(answer, all_lines=shown)] for shown in (False, True))

    assert len(long) >= len(short)
    assert not any("more lines of stages" in text for text in long)


def test_what_became_quicker_names_the_stage_that_saved_most():
    """Of two stages that are better, the one with more seconds, not the one with fewer."""

    def better(measure, before, after):
        change = after / before - 1
        return LINE | {
            "measure": measure, "figure": "mean", "before": before, "after": after,
            "change": change, "low": change - 0.01, "high": change + 0.01, "verdict": "better",
        }  # fmt: skip

    side = {"begin_seconds": 0.0, "end_seconds": 60.0, "requests": 500}
    answer = {
        "before": {"name": "v1", **side}, "after": {"name": "v2", **side},
        "paired": True, "block_seconds": [1.0], "draws": 1000, "seed": 0, "confidence": 0.95, "least": 0.05,
        "verdict": "better", "left_out": [],
        "models": [{
            "service": "svc", "model": "m", "requests_before": 500, "requests_after": 500, "verdict": "better",
            "lines": [better("whole", 5.7, 0.3), better("queue", 4.8, 0.1), better("execute", 0.9, 0.2)],
        }],
    }  # fmt: skip

    (*_, last) = lines(answer, all_lines=False)

    assert last.plain.endswith("most of it in queue (-4700.00 ms a request)")
