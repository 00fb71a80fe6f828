"""`python -m inferometer` tells a newcomer what is hooked, what is not and why, and where records go."""

import json
import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from inferometer.doctor import destination, hooks
from inferometer.doctor.application import Application
from inferometer.doctor.destination import Destination
from inferometer.doctor.examination import Examination, Setting
from inferometer.doctor.hooks import ABSENT, NEVER, HookFound
from inferometer.doctor.text import _hooks, lines
from inferometer.hooks.registry import HOOKS, Hook
from inferometer.intake import local
from inferometer.recorder.hook_states import HookStates
from inferometer.settings import VARIABLES, Settings
from inferometer.testing import Collector

ROOT = Path(__file__).parents[2]


@pytest.fixture
def doctor(tmp_path):
    """Runs it in an empty folder, with a runtime directory of its own and a free port for /metrics."""

    def run(*arguments, module="inferometer", **environment):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("INFEROMETER_", "OTEL_", "XDG_"))}
        places = {"INFEROMETER_RUNTIME_DIR": str(tmp_path / "run"), "INFEROMETER_METRICS": "127.0.0.1:0"}
        return subprocess.run(
            [sys.executable, "-m", *module.split(), *arguments], env={**kept, **places, **environment}, cwd=tmp_path,
            check=False, capture_output=True, text=True,
        )  # fmt: skip

    return run


def app(folder, text, name="shop"):
    (folder / f"{name}.py").write_text(text)


HERE = "import inferometer.auto\nfrom inferometer.recorder.this_process import worker"
FASTAPI = "from fastapi import FastAPI\napp = FastAPI()\n"


def test_without_an_application_it_says_what_would_be_hooked_and_how_to_see_more(doctor):
    ran = doctor()

    assert (ran.returncode, ran.stderr) == (0, "")
    assert (
        "not switched on yet: by `import inferometer.auto` in the application, or INFEROMETER_ENABLED=1" in ran.stdout
    )
    assert "hooked when it is imported: fastapi" in ran.stdout
    assert ran.stdout.endswith(
        "Nothing to mend.\nTo see it with your application: python -m inferometer --app module:app\n"
    )


@pytest.mark.parametrize("line", [True, False], ids=["by the line", "by the variable"])
def test_an_application_that_is_recorded_is_fine(doctor, tmp_path, line):
    app(tmp_path, f"{'import inferometer.auto' if line else ''}\nprint('theirs')\n{FASTAPI}")
    ran = doctor("--app", "shop:app", "--json", **({} if line else {"INFEROMETER_ENABLED": "1"}))
    seen = json.loads(ran.stdout)

    assert (ran.returncode, ran.stderr, seen["findings"]) == (0, "theirs\n", [])
    by = "import inferometer.auto in the application" if line else "INFEROMETER_ENABLED=1"
    assert (seen["switched_on"], seen["application"]["says"]) == (by, "imported, a fastapi.FastAPI")
    status = {hook["hook"]: hook["status"] for hook in seen["hooks"]}
    assert set(status) == {hook.name for hook in HOOKS}
    assert (status["fastapi"], status["asgi"], status["onnxruntime"]) == ("active", "active", "waiting")
    versions = {hook["library"]: hook["library_version"] for hook in seen["hooks"]}
    assert versions["fastapi"].count(".") >= 2
    assert [setting["variable"] for setting in seen["settings"]] == list(VARIABLES.values())


def test_an_application_that_nobody_switched_on_is_found(doctor, tmp_path):
    app(tmp_path, FASTAPI)
    ran = doctor("--app", "shop:app")

    assert ran.returncode == 1
    assert "  ✗ not switched on\n" in ran.stdout
    assert (
        "shop:app is not recorded: it has no `import inferometer.auto`, and INFEROMETER_ENABLED is not set; "
        "`inferometer run` sets it" in ran.stdout
    )
    assert "hooked: fastapi" in ran.stdout


@pytest.mark.parametrize(
    ("text", "name", "finds"),
    [
        ("1 / 0\n", "shop:app", "shop:app: ZeroDivisionError: division by zero at "),
        ("raise SystemExit('usage')\n", "shop:app", "shop:app: SystemExit: usage"),
        ("import inferometer.auto\n", "shop:app", "shop:app: shop has no app"),
        ("import inferometer.auto\n", "nowhere:app", "nowhere:app: ModuleNotFoundError: No module named 'nowhere'\n"),
        ("import inferometer.auto\nasync def app(scope, receive, send): ...\n", "shop:app",
         "shop:app is a plain ASGI application: no framework to hook; wrap it: app = inferometer.asgi(app)"),
        (f"{HERE}\nworker().hooks.unsupported('httpx', 'httpx has no Client that can be called')\n", "shop",
         "hook httpx is unsupported: httpx has no Client that can be called"),
        (f"{HERE}\nworker().hooks.failed('fastapi', KeyError('x'))\n", "shop",
         "hook fastapi is failed: it raised KeyError: 'x'"),
    ],
    ids=["raises", "exits", "no such attribute", "no such module", "plain ASGI", "unsupported", "failed"],
)  # fmt: skip
def test_what_is_wrong_with_an_application_is_found(doctor, tmp_path, text, name, finds):
    app(tmp_path, text)
    ran = doctor("--app", name)

    assert ran.returncode == 1
    assert f"  ✗ {finds}" in ran.stdout
    assert "is not recorded" not in ran.stdout, "that is not what to mend first"
    assert "Traceback" not in ran.stdout + ran.stderr


def test_a_plain_application_that_is_wrapped_is_fine(doctor, tmp_path):
    text = "import inferometer.auto\nasync def plain(scope, receive, send): ...\napp = inferometer.asgi(plain)\n"
    app(tmp_path, text)

    assert doctor("--app", "shop:app").returncode == 0


@pytest.mark.parametrize(
    ("variable", "value", "finds"),
    [
        ("INFEROMETER_ENABLED", "0", "INFEROMETER_ENABLED=0 switches recording off, whatever the code says"),
        ("INFEROMETER_EXIT_SECONDS", "soon",
         "INFEROMETER_EXIT_SECONDS='soon': seconds from 0 to 60 are right; the default is used"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "jaeger:4318",
         "cannot send traces to 'jaeger:4318/v1/traces': an http or https URL is right; no trace is exported"),
        ("INFEROMETER_SIDECARS", "x", "INFEROMETER_SIDECARS is no setting of a worker of inferometer"),
        ("INFEROMETER_SIDECAR", "unix:///nowhere/s.sock",
         "nobody listens at unix:///nowhere/s.sock: records wait in memory, bounded, until a sidecar runs there"),
    ],
)  # fmt: skip
def test_a_setting_that_does_not_do_what_it_should_is_found(doctor, variable, value, finds):
    ran = doctor(**{variable: value})

    assert (ran.returncode, ran.stderr) == (1, "")
    assert f"  ✗ {finds}" in ran.stdout


def test_a_setting_shows_where_it_comes_from(doctor):
    ran = doctor("--json", INFEROMETER_REGION="eu-1", INFEROMETER_FLUSH_SECONDS="never")
    settings = {one["variable"]: (one["value"], one["source"]) for one in json.loads(ran.stdout)["settings"]}

    assert settings["INFEROMETER_REGION"] == ("eu-1", "variable")
    assert settings["INFEROMETER_FLUSH_SECONDS"] == ("0.25", "default")
    assert settings["INFEROMETER_EXIT_SECONDS"] == ("2.0", "default")


@pytest.mark.parametrize("name", [":app", "shop:", " : "])
def test_a_name_that_is_none_is_wrong_use(doctor, name):
    ran = doctor("--app", name.strip())

    assert ran.returncode == 2
    assert "is no application: module:attribute is right" in ran.stderr


def test_the_command_line_calls_the_same(doctor):
    direct, through = doctor("--json"), doctor("doctor", "--sdk", "--json", module="inferometer_compose")

    assert through.returncode == 0
    assert json.loads(through.stdout) == json.loads(direct.stdout)
    switched = doctor("doctor", "--sdk", module="inferometer_compose", INFEROMETER_ENABLED="1")
    assert "✓ switched on by INFEROMETER_ENABLED=1" in switched.stdout


def test_a_worker_that_holds_the_intake_is_named(tmp_path):
    settings = Settings(runtime_dir=tmp_path, metrics="127.0.0.1:0")
    assert destination.look(settings).kind == "election"
    tmp_path.chmod(0o700)
    intake = local.start(tmp_path, environ={"INFEROMETER_METRICS": "127.0.0.1:0"})
    try:
        found = destination.look(settings)
    finally:
        intake.close()

    assert (found.kind, found.problems) == ("worker", [])
    assert f"process {os.getpid()} (" in found.says
    assert f"port {intake.metrics_port} has /metrics" in found.says


def test_a_sidecar_of_the_runtime_directory_is_found_before_anybody_else(tmp_path):
    tmp_path.chmod(0o700)
    with Collector(tmp_path / "sidecar.sock") as collector:
        found = destination.look(Settings(runtime_dir=tmp_path))
        named = destination.look(Settings(sidecar=collector.address))

    assert (found.kind, found.problems) == ("sidecar", [])
    assert (named.says, named.problems) == (f"the sidecar at {collector.address}, which listens", [])


def test_a_port_and_a_folder_that_somebody_else_has_are_found(tmp_path):
    tmp_path.chmod(0o755)
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        found = destination.look(Settings(runtime_dir=tmp_path, metrics=address))

    assert found.problems == [
        f"{tmp_path} is not a folder of mode 0700: nothing is sent; INFEROMETER_RUNTIME_DIR names another",
        f"{address} is taken: there would be no /metrics; INFEROMETER_METRICS names another",
    ]


def test_a_library_is_named_by_what_installed_it():
    table = [
        Hook("grpc", "grpc", ""), Hook("json", "json.decoder", ""), Hook("none", "no_such_library.x", ""),
        Hook("opentelemetry", "opentelemetry.trace", ""),
    ]  # fmt: skip
    found = {one.hook: one for one in hooks.look(table, HookStates())}

    assert found["grpc"].library == "grpcio"
    assert (found["json"].library, found["json"].library_version) == ("the standard library", "")
    assert (found["none"].library, found["none"].status) == ("no_such_library", ABSENT)
    assert (found["opentelemetry"].library, found["opentelemetry"].library_version[:2]) == ("opentelemetry", "1.")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Puts an empty package of a name and version where Python finds it."""

    def install(name, version):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
        information = tmp_path / f"{name}-{version}.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (information / "RECORD").write_text(f"{name}/__init__.py,,\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        hooks._providers.cache_clear()

    yield install
    hooks._providers.cache_clear()


def keras_hooks():
    return hooks.look([one for one in HOOKS if "keras" in one.name], HookStates())


@pytest.mark.parametrize("version", ["2.12.0", "2.9.0rc1", "1.2.0"])
def test_a_keras_that_is_too_old_is_said_to_have_no_hook_with_what_to_do(installed, version):
    installed("keras", version)
    found = keras_hooks()

    seen = [one for one in found if one.library == "keras"]
    assert {(one.status, one.library_version) for one in seen} == {(NEVER, version)}
    (line,) = (line for line in _hooks(found) if "keras" in line and "not installed" not in line)
    assert line == (
        f'  · keras {version}  not hooked: it is older than 2.13; mark its calls with inferometer.stage("execute")'
    )


@pytest.mark.parametrize(
    ("name", "version"), [("tf_keras", "2.19.0"), ("keras", "2.13.1"), ("keras", "2.15.0"), ("keras", "3.11.0")]
)
def test_of_a_keras_that_has_a_hook_nothing_of_the_kind_is_said(installed, name, version):
    installed(name, version)

    assert not [one for one in keras_hooks() if one.status == NEVER]


def test_the_whole_text():
    hook = {"library": "fastapi", "library_version": "0.165.0", "reason": ""}
    text = "\n".join(
        lines(
            Examination(
                version="1.2.3", python="3.12.1", interpreter="/venv/bin/python", switched_on="INFEROMETER_ENABLED=1",
                switched_off=False, application=Application(name="shop:app", says="imported, a fastapi.FastAPI"),
                hooks=[
                    HookFound(hook="fastapi", status="active", **hook),
                    HookFound(hook="fastapi.routing", status="waiting", **hook),
                    HookFound(hook="fastapi.extra", status="failed", **{**hook, "reason": "it raised KeyError: 1"}),
                    HookFound(hook="torch", library="torch", library_version="", status=ABSENT, reason=""),
                    HookFound(hook="ray.serve", library="ray", library_version="", status=ABSENT, reason=""),
                ],
                destination=Destination(kind="sidecar", address="unix:///s", says="the sidecar at unix:///s"),
                traces="off (INFEROMETER_TRACES): no spans from inferometer",
                settings=[
                    Setting(name="region", variable="INFEROMETER_REGION", value="", source="default"),
                    Setting(name="sidecar", variable="INFEROMETER_SIDECAR", value="unix:///s", source="variable"),
                    Setting(name="exit_seconds", variable="INFEROMETER_EXIT_SECONDS", value="2.0", source="default"),
                ],
                findings=["hook fastapi.extra is failed: it raised KeyError: 1"],
            )
        )
    )  # fmt: skip

    assert (
        text
        == """\
inferometer 1.2.3, Python 3.12.1, /venv/bin/python

  ✓ switched on by INFEROMETER_ENABLED=1
  ✓ shop:app imported, a fastapi.FastAPI

Hooks
  ✓ fastapi 0.165.0  hooked: fastapi; hooked when it is imported: fastapi.routing
  ✗ fastapi 0.165.0  fastapi.extra is failed: it raised KeyError: 1
  - not installed: torch, ray

Where records go
  ✓ the sidecar at unix:///s

Whose the spans are
  ✓ off (INFEROMETER_TRACES): no spans from inferometer

Settings
    INFEROMETER_REGION        not set
    INFEROMETER_SIDECAR       unix:///s
    INFEROMETER_EXIT_SECONDS  2.0  (default)

To mend
  ✗ hook fastapi.extra is failed: it raised KeyError: 1"""
    )


def test_the_policy_with_opentelemetry_is_said(doctor, tmp_path):
    app(
        tmp_path,
        "import inferometer.auto\nfrom opentelemetry import trace\nfrom opentelemetry.sdk.trace import TracerProvider\n"
        f"trace.set_tracer_provider(TracerProvider())\n{FASTAPI}",
    )

    assert "augment (this process has opentelemetry.sdk.trace.TracerProvider)" in doctor("--app", "shop:app").stdout
    assert "off (INFEROMETER_TRACES)" in doctor(INFEROMETER_TRACES="off").stdout
    assert "kept traces go to http://jaeger:4318" in doctor(OTEL_EXPORTER_OTLP_ENDPOINT="http://jaeger:4318").stdout
