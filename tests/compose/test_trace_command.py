"""`inferometer trace` asks the sidecar, and reads the last recorder where none answers."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from inferometer_compose.commands.trace import last_recorder
from inferometer_exporters.recorder.names import FILE_NAME
from inferometer_exporters.recorder.store import Recorder

TRACE = "ab" * 16
ANSWER = {
    "trace_id": TRACE,
    "kept": "",
    "cost_usd": 2.5e-7,
    "device_seconds": 0.01,
    "energy_joules": None,
    "unpriced_devices": [],
    "hops": [
        {
            "trace_id": TRACE,
            "span_id": "01" * 8,
            "parent_span_id": "",
            "service": "embedder",
            "model": "minilm",
            "version": "v1",
            "tenant": "acme",
            "method": "POST",
            "route": "/embed",
            "outcome": "ok",
            "status": 200,
            "wall_seconds": 1.0,
            "start_seconds": 0.0,
            "duration_seconds": 0.02,
            "device": "box",
            "device_seconds": 0.01,
            "cost_usd": 2.5e-7,
            "cost_method": "sweep",
            "energy_joules": None,
            "device_state": None,
            "request_class": "",
            "first_chunk_seconds": None,
            "first_token_seconds": None,
            "time_per_output_token_seconds": None,
            "tokens_in": None,
            "tokens_out": None,
            "bytes_in": 1,
            "bytes_out": 1,
            "stages": {"execute": 0.02},
            "segments": [{"stage": "execute", "kind": "", "start_seconds": 0.0, "duration_seconds": 0.02, "merged": 1}],
            "calls": [],
            "executes": [],
        }
    ],
    "spans": [],
}


@pytest.fixture
def sidecar():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answers = {
                "/healthz": {"status": "ok"},
                "/api/slowest?n=2": {"requests": [{"trace_id": TRACE}, {"trace_id": TRACE}]},
                f"/api/trace/{TRACE}": ANSWER,
            }
            found = answers.get(self.path)
            self.send_response(404 if found is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def trace(*arguments, cwd):
    command = [sys.executable, "-m", "inferometer_compose", "trace", *arguments]
    environment = {**os.environ, "XDG_STATE_HOME": str(cwd)}
    return subprocess.run(command, capture_output=True, check=False, text=True, timeout=60, cwd=cwd, env=environment)


def test_the_sidecars_trace_is_drawn(sidecar, tmp_path):
    answer = trace(TRACE, "--api", sidecar, cwd=tmp_path)

    assert answer.returncode == 0, answer.stderr
    heading, hop, execute = answer.stdout.splitlines()
    assert heading == f"Request of 1970-01-01 00:00:01 UTC   trace {TRACE}   tenant acme   ok   $0.00000025"
    assert hop.startswith("embedder POST /embed")
    assert "execute" in execute
    assert "█" in execute


def test_the_slowest_are_drawn_one_after_the_other(sidecar, tmp_path):
    answer = trace("--slowest", "2", "--api", sidecar, cwd=tmp_path)

    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count(f"trace {TRACE}") == 2


def test_json_is_what_the_sidecar_said(sidecar, tmp_path):
    answer = trace(TRACE, "--json", "--api", sidecar, cwd=tmp_path)

    assert json.loads(answer.stdout) == {"traces": [ANSWER]}


def test_a_trace_that_nobody_recorded_exits_with_1(sidecar, tmp_path):
    answer = trace("cd" * 16, "--api", sidecar, cwd=tmp_path)

    assert answer.returncode == 1
    assert answer.stderr == f"inferometer: nothing is recorded of trace {'cd' * 16}\n"


def test_a_last_recorder_that_cannot_be_read_does_not_hide_that_the_sidecar_has_no_such_trace(sidecar, tmp_path):
    path = tmp_path / "demo-1" / "sidecar" / FILE_NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database")

    answer = trace("cd" * 16, "--api", sidecar, cwd=tmp_path)

    assert (answer.returncode, answer.stderr) == (1, f"inferometer: nothing is recorded of trace {'cd' * 16}\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("no\nid",), "'no\\nid' is no trace id: up to 32 hexadecimal digits are right, or an X-Request-ID"),
        (("ab", "--recorder", "none.duckdb"), "cannot read the flight recorder none.duckdb"),
        (("ab",), "no sidecar answers at http://127.0.0.1:1, and neither a demo in this folder nor"),
        (
            ("ab", "--api", "127.0.0.1:1"),
            "--api is '127.0.0.1:1': an http or https URL is right, such as http://127.0.0.",
        ),
    ],
    ids=["no id", "no file", "nothing at all", "no URL"],
)
def test_wrong_use_exits_with_2(tmp_path, arguments, says):
    answer = trace("--api", "http://127.0.0.1:1", *arguments, cwd=tmp_path)

    assert answer.returncode == 2
    assert says in answer.stderr


def test_without_a_sidecar_the_last_demos_recorder_is_read(tmp_path):
    for number, name in enumerate(("demo-1", "demo-2")):
        path = tmp_path / name / "sidecar" / FILE_NAME
        Recorder(path).close()
        os.utime(path, (number, number))

    assert last_recorder(tmp_path, {"XDG_STATE_HOME": str(tmp_path)}) == tmp_path / "demo-2" / "sidecar" / FILE_NAME
    answer = trace("--slowest", "1", "--api", "http://127.0.0.1:1", cwd=tmp_path)
    assert answer.returncode == 1
    assert answer.stderr == (
        "inferometer: no sidecar answers at http://127.0.0.1:1; "
        "demo-2/sidecar/recorder.duckdb is what the last one left\n"
        "inferometer: no request is recorded\n"
    )


def test_a_recorder_that_a_sidecar_has_open_says_whom_to_ask(tmp_path):
    path = tmp_path / FILE_NAME
    with contextlib.closing(Recorder(path)):
        answer = trace("--slowest", "1", "--recorder", str(path), "--api", "http://127.0.0.1:1", cwd=tmp_path)

    assert answer.returncode == 2
    assert answer.stderr == (
        f"inferometer: a sidecar that runs has the flight recorder {path}: "
        "--api names it, by the address that it printed\n"
    )
