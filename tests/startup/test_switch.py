"""INFEROMETER_ENABLED switches recording on without a code change, and off against one."""

import sys
import time
import timeit
from importlib.metadata import distribution, entry_points
from pathlib import Path

import pytest

from inferometer import switch
from inferometer.hooks.registry import HOOKS
from inferometer.recorder.this_process import worker

ROOT = Path(__file__).parents[2]
OPENTELEMETRY = str(Path(sys.executable).with_name("opentelemetry-instrument"))
PTH = ROOT / "instrumentation" / "inferometer.pth"
SHOW = "import sys; print('inferometer.switch' in sys.modules)"
HOOKED = "from inferometer.recorder.this_process import worker; print(len(worker().hooks.statuses()))"


def test_the_installed_file_is_the_one_of_the_repository_also_where_the_install_is_editable():
    (installed,) = [file for file in distribution("inferometer").files or [] if file.name == PTH.name]

    assert Path(str(installed.locate())).read_text() == PTH.read_text()
    assert len(PTH.read_text().splitlines()) == 1


@pytest.mark.parametrize("value", [None, "", "0", " 0 "])
def test_off_nothing_of_ours_is_imported(python, value):
    environment = {} if value is None else {"INFEROMETER_ENABLED": value}
    ran = python("-c", "import sys; print([m for m in sys.modules if m.startswith('inferometer')])", **environment)

    assert (ran.stdout.strip(), ran.stderr) == ("[]", "")


def test_off_the_line_costs_an_interpreter_next_to_nothing(monkeypatch):
    monkeypatch.delenv("INFEROMETER_ENABLED", raising=False)
    line = compile(PTH.read_text(), PTH.name, "exec")

    assert min(timeit.repeat(lambda: exec(line), number=1, repeat=20)) < 0.0005  # noqa: S102 - as site does


@pytest.mark.parametrize("value", ["1", "true", "On"])
@pytest.mark.parametrize("flags", [[], ["-I"], ["-E"], ["-s"]], ids=["plain", "-I", "-E", "-s"])
def test_on_every_hook_is_installed_before_the_first_line_of_the_program(python, value, flags):
    ran = python(*flags, "-c", f"{SHOW}; {HOOKED}", INFEROMETER_ENABLED=value)

    assert (ran.stdout.split(), ran.stderr) == (["True", str(len(HOOKS))], "")


def test_an_interpreter_without_site_reads_no_such_file(python):
    ran = python("-S", "-c", SHOW, INFEROMETER_ENABLED="1")

    assert (ran.stdout.strip(), ran.stderr) == ("False", "")


@pytest.mark.parametrize("value", ["maybe", "2", "on\u00e9"])
def test_a_wrong_value_is_one_warning_and_off(python, value):
    ran = python("-c", HOOKED, INFEROMETER_ENABLED=value)

    assert ran.stdout.strip() == "0"
    assert ran.stderr.count("\n") == 1
    assert f"INFEROMETER_ENABLED={value!r}: 1 or 0 is right" in ran.stderr


@pytest.mark.parametrize("value", ["0", "off"])
def test_off_wins_over_the_line_in_the_code(python, value):
    started = "from inferometer.recorder.this_process import worker as w; w().start(); print(w().started)"
    ran = python("-c", f"import inferometer.auto; {HOOKED}; {started}", INFEROMETER_ENABLED=value)

    assert (ran.stdout.split(), ran.stderr) == (["0", "False"], "")


def test_the_line_is_enough_where_nothing_is_set(python):
    assert python("-c", f"import inferometer.auto; {HOOKED}").stdout.split() == [str(len(HOOKS))]


def test_every_way_of_switching_on_installs_once(python):
    code = (
        "import sys; before = len(sys.meta_path)\n"
        "import inferometer.auto, inferometer.switch\n"
        "from importlib.metadata import entry_points\n"
        "(ours,) = entry_points(group='opentelemetry_post_instrument', name='inferometer')\n"
        "ours.load()(); inferometer.switch.on(); inferometer.switch.at_startup()\n"
        "print(len(sys.meta_path) - before)"
    )

    assert python("-c", code, INFEROMETER_ENABLED="1").stdout.strip() == "0"
    assert python("-c", code).stdout.strip() == "1"


def test_opentelemetry_finds_us():
    (ours,) = entry_points(group="opentelemetry_post_instrument", name="inferometer")

    assert ours.load() is switch.on


@pytest.mark.parametrize("act", [switch.on, switch.at_startup])
def test_what_cannot_be_installed_is_a_warning_and_the_program_goes_on(act, monkeypatch, caplog):
    monkeypatch.setattr(switch, "worker", lambda: 1 / 0)
    act()

    assert "nothing is recorded, inferometer could not be installed: division by zero" in caplog.text


def test_a_broken_install_does_not_keep_an_interpreter_from_starting(python, tmp_path):
    (tmp_path / "inferometer.py").write_text("raise RuntimeError('half an install')\n")
    ran = python("-c", "print('alive')", INFEROMETER_ENABLED="1", PYTHONPATH=str(tmp_path))

    assert ran.stdout.strip() == "alive"
    assert "half an install" in ran.stderr


def test_a_users_sitecustomize_runs_as_ever(python, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import concurrent.futures, sys\nprint('theirs', 'inferometer.switch' in sys.modules)\n"
    )
    ran = python("-c", HOOKED, INFEROMETER_ENABLED="1", PYTHONPATH=str(tmp_path))

    assert (ran.stdout.split(), ran.stderr) == (["theirs", "True", str(len(HOOKS))], "")


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "uvicorn", "plain_app:app", "--port", "{port}"],
        ["-m", "uvicorn", "plain_app:app", "--port", "{port}", "--workers", "2"],
        ["-m", "gunicorn", "plain_app:app", "-k", "uvicorn.workers.UvicornWorker", "--bind", "127.0.0.1:{port}"],
        ["-m", "gunicorn", "plain_app:app", "-k", "uvicorn.workers.UvicornWorker", "--bind", "127.0.0.1:{port}",
         "-w", "2", "--preload"],
        [OPENTELEMETRY, sys.executable, "-m", "uvicorn", "plain_app:app", "--port", "{port}"],
    ],
    ids=["uvicorn", "uvicorn with workers", "gunicorn", "gunicorn preloads", "opentelemetry-instrument"],
)  # fmt: skip
def test_a_server_records_without_a_code_change(command, start, collector):
    environment = {"INFEROMETER_SIDECAR": collector.address, "INFEROMETER_FLUSH_SECONDS": "0.05"}
    if OPENTELEMETRY in command:
        environment |= {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    else:
        environment["INFEROMETER_ENABLED"] = "1"
    seen = start(*command, **environment).first_answer("/seen")
    (record,) = collector.wait(1)

    assert seen["inferometer"] is True
    assert (record.labels.service, record.labels.route) == ("plain_app", "/seen")


def test_switched_off_a_server_records_nothing(start, collector):
    environment = {"INFEROMETER_SIDECAR": collector.address, "INFEROMETER_FLUSH_SECONDS": "0.05"}
    server = start("-m", "uvicorn", "plain_app:app", "--port", "{port}", **environment)

    assert server.first_answer("/seen")["inferometer"] is False
    assert collector.hellos == []


@pytest.mark.parametrize("enabled", ["0", ""], ids=["switched off", "as the code says"])
def test_an_application_with_the_line_is_switched_off_by_the_variable_alone(start, collector, enabled):
    server = start(
        "-m", "uvicorn", "switched_app:app", "--port", "{port}", INFEROMETER_ENABLED=enabled,
        INFEROMETER_SIDECAR=collector.address, INFEROMETER_FLUSH_SECONDS="0.05",
    )  # fmt: skip
    server.first_answer("/seen")
    if enabled:
        # One that records has long said so.
        time.sleep(0.5)
        assert collector.hellos == []
    else:
        (record,) = collector.wait(1)
        assert record.labels.model == "plain"


def test_the_worker_of_this_test_run_is_not_switched_on():
    assert worker().settings.enabled is None
