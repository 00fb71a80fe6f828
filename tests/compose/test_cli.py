"""The command line: quick to help, plain in its errors, honest in its exit status."""

import os
import socket
import subprocess
import sys
import venv
from enum import Enum
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.main import get_command

from inferometer.errors import InferometerError
from inferometer_compose import cli
from inferometer_compose.commands import demo
from inferometer_compose.commands.declared import app

EXAMPLE = str(Path(__file__).parents[2] / "examples/fleet.yaml")
COMMANDS = (
    *("demo", "run", "doctor", "trace", "compare", "cost", "generate", "sidecar", "up", "status", "logs", "down"),
    *("recorder export", "slo explain", "slo gate", "dashboards push", "engines check"),
)


def inferometer(*arguments, cwd=None, **environment):
    command = [sys.executable, "-m", "inferometer_compose", *arguments]
    environment = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, check=False, text=True, timeout=60, cwd=cwd, env=environment)


def test_help_lists_every_command():
    answer = inferometer("--help")

    assert answer.returncode == 0
    for command in COMMANDS:
        assert f"\n  {command.split()[0]} " in answer.stdout


def test_help_asks_the_questions_in_their_order_and_cuts_no_sentence_short():
    lines = inferometer("--help", COLUMNS="60").stdout.splitlines()
    sentence = "Real models under load on this machine, and where their time and money went."

    assert [line for line in lines if line.endswith(":")] == [
        *("Options:", "Begin here:", "What happened:", "What is promised:", "The stack:")
    ]
    assert sentence in " ".join(line.strip() for line in lines)
    assert max(len(line) for line in lines) < 60


def every(command, name="inferometer"):
    yield name, command
    for below, one in getattr(command, "commands", {}).items():
        yield from every(one, f"{name} {below}")


OPTIONS = [
    (f"{name} {option.opts[0]}", option)
    for name, command in every(get_command(app))
    for option in command.params
    if option.param_type_name == "option" and not option.is_flag
]


@pytest.mark.parametrize("option", [option for _, option in OPTIONS], ids=[name for name, _ in OPTIONS])
def test_an_option_that_takes_a_value_says_of_what_kind(option):
    """``--since DURATION`` tells what ``--since TEXT`` does not; a few choices are listed."""
    assert option.help.endswith(".")
    assert option.metavar or isinstance(option.default, Enum)


def test_the_version_is_that_of_the_package():
    answer = inferometer("--version")

    assert (answer.returncode, answer.stdout) == (0, f"inferometer {version('inferometer')}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example_in_its_help(command):
    answer = inferometer(*command.split(), "--help")

    assert answer.returncode == 0
    assert f"Example: inferometer {command}" in answer.stdout


def test_help_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['inferometer', '--help']\n"
        "from inferometer_compose.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'numpy', 'duckdb', 'fastapi', 'httpx', 'onnxruntime', 'ruamel', 'jinja2'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert answer.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("demo", "--for", "10"), "--for is '10': 10 has no unit"),
        (("demo", "--for", "0s"), "--for is 0s, a duration above 0 is right"),
        (("trace", "--slowest", "0"), "--slowest"),
        (("slo", "backtest", "--file", "none.csv", "--config", EXAMPLE), "none.csv cannot be read"),
        (
            ("demo", "--fault", "eror"),
            "'--fault': 'eror' is none of its values; did you mean 'errors'? known: slow-queue,",
        ),
        (("sidecar", "--gpu", "yes"), "'yes' is none of its values; known: auto, nvml, off"),
        (("sidecar", "--price-kind", "free"), "'free' is none of its values; known: on_demand, spot, reserved, owned"),
        (
            ("cost", "true-up", "--bill", "b", "--cost", "x"),
            "'x' is none of its values; known: effective, billed, list",
        ),
        (("up", "--profile", "demo", "--profile", "d"), "'d' is none of its values; known: demo, mine, gpu, scale"),
        (("trace",), "say which request"),
        (("nonsense",), "nonsense"),
    ],
    ids=[
        *("no unit", "no time", "none of the slowest", "no such file", "unknown fault", "unknown GPU choice"),
        *("unknown price kind", "unknown cost", "unknown profile", "no request", "unknown command"),
    ],
)
def test_wrong_use_exits_with_2_and_a_plain_message(arguments, says):
    answer = inferometer(*arguments)

    assert answer.returncode == 2
    assert says in answer.stderr
    assert "Traceback" not in answer.stderr


def test_no_colour_after_no_color():
    assert "\x1b[" not in inferometer("--help", NO_COLOR="1", FORCE_COLOR="").stdout


def test_the_base_install_says_which_extra_has_the_command_line(tmp_path):
    venv.create(tmp_path / "bare", symlinks=True)
    code = "from inferometer_compose.cli import main; main()"
    folder = str(Path(cli.__file__).parents[1])
    answer = subprocess.run(
        [tmp_path / "bare" / "bin" / "python", "-c", code],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
        env={"PYTHONPATH": folder},
    )

    assert answer.returncode == 2
    assert answer.stderr == (
        "inferometer: the command line is part of an extra (demo, sidecar, generate): "
        'pip install "inferometer[demo] @ file:///path/to/the/checkout"\n'
    )


INTERRUPTED_IMPORT = """
import sys

class Interrupts:
    def find_spec(self, name, path, target=None):
        if name == "inferometer_compose.commands.declared":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupts())
from inferometer_compose.cli import main
main()
"""


def test_ctrl_c_while_a_command_is_imported_is_no_traceback():
    command = [sys.executable, "-c", INTERRUPTED_IMPORT]
    answer = subprocess.run(command, capture_output=True, check=False, text=True, timeout=60)

    assert (answer.returncode, answer.stdout, answer.stderr) == (130, "", "")


def test_a_demo_where_no_folder_can_be_made_says_so(tmp_path):
    reason = r"gone/demo-.* cannot be made \(No such file or directory\): start the demo where you may write"

    with pytest.raises(InferometerError, match=reason):
        demo._folder(tmp_path / "gone")


@pytest.mark.processes
@pytest.mark.parametrize("option", ["--metrics", "--api"])
def test_a_sidecar_whose_port_is_taken_says_by_whom_and_what_helps(tmp_path, option):
    nowhere = ["--metrics", "127.0.0.1:0", "--api", "127.0.0.1:0", "--otlp-grpc", "off", "--otlp-http", "off"]
    places = ["--socket", str(tmp_path / "socket"), "--state", str(tmp_path / "state")]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        answer = inferometer("sidecar", *places, *nowhere, option, address)

    assert answer.returncode == 2
    assert f"on {address}: Address already in use" in answer.stderr
    assert answer.stderr.endswith("perhaps by another sidecar: end it, or name other places with --metrics and --api\n")


@pytest.mark.processes
def test_a_sidecar_says_where_its_live_page_is_before_its_last_line(tmp_path):
    nowhere = ["--metrics", "127.0.0.1:0", "--api", "127.0.0.1:0", "--otlp-grpc", "off", "--otlp-http", "off"]
    places = ["--socket", str(tmp_path / "socket"), "--state", str(tmp_path / "state"), *nowhere]
    command = [sys.executable, "-m", "inferometer_compose", "sidecar", *places]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as sidecar:
        try:
            said = [next(sidecar.stdout).split() for _ in range(4)]
        finally:
            sidecar.terminate()
        sidecar.stdout.read()

    assert [name for name, _ in said] == ["frames", "metrics", "live", "api"]
    assert said[2][1] == f"{said[3][1]}/"
