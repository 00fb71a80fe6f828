"""What is in the way of the stack in containers is said in a line."""

import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from inferometer.errors import RefusedError
from inferometer_compose.commands.declared_containers import Profile
from inferometer_compose.containers.program import Compose, find
from inferometer_compose.containers.services import Service, Wanted, memory_warning, services, taken

ROOT = Path(__file__).parents[2]


@pytest.fixture
def docker(tmp_path):
    """Puts a `docker` on a PATH of its own, which answers each first word of a call with a line of shell."""

    def make(**answers):
        cases = "\n".join(f'  "{words}"*) {line} ;;' for words, line in answers.items())
        program = tmp_path / "docker"
        program.write_text(f'#!/bin/sh\nshift\ncase "$*" in\n{cases}\n  *) exit 9 ;;\nesac\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return {"PATH": f"{tmp_path}:/usr/bin:/bin"}

    return make


def command(*arguments, folder=ROOT, **environment):
    return subprocess.run(
        [sys.executable, "-m", "inferometer_compose", *arguments],
        capture_output=True, check=False, text=True, cwd=folder, env={**os.environ, **environment},
    )  # fmt: skip


def test_outside_of_a_checkout_there_is_nothing_to_start(tmp_path):
    with pytest.raises(RefusedError, match=r"no compose\.yaml of inferometer in .* or above: run this in a checkout"):
        find(tmp_path, {"PATH": os.environ["PATH"]})


def test_a_compose_file_of_somebody_else_is_not_ours(tmp_path):
    (tmp_path / "compose.yaml").write_text("services: {}\n")

    with pytest.raises(RefusedError, match="of inferometer"):
        find(tmp_path, {"PATH": os.environ["PATH"]})


def test_without_docker_it_says_what_to_install_and_what_works_without():
    answer = command("up", PATH="/nonexistent")

    assert answer.returncode == 2
    assert "no Docker Compose on PATH" in answer.stderr
    assert "inferometer demo" in answer.stderr


def test_an_old_compose_is_refused_with_the_version_that_is_needed(docker):
    environment = docker(version="echo v2.17.3")

    with pytest.raises(RefusedError, match=r"docker compose is 2\.17\.3; 2\.20\.0 or newer is needed"):
        find(ROOT, environment)


def test_an_engine_that_does_not_answer_is_told_from_a_program_that_is_missing(docker):
    environment = docker(version="echo 2.40.3", ps="echo Cannot connect to the Docker daemon >&2; exit 1")

    with pytest.raises(RefusedError, match=r"Cannot connect to the Docker daemon\n  is the Docker engine running"):
        find(ROOT, environment)


@pytest.mark.parametrize("lines", [False, True], ids=["an array", "a document a line"])
def test_services_are_read_from_either_form(docker, tmp_path, lines):
    rows = [
        {"Service": "b", "State": "exited", "Health": "", "ExitCode": 0, "Publishers": None},
        {"Service": "a", "State": "running", "Health": "starting", "ExitCode": 0,
         "Publishers": [{"URL": "127.0.0.1", "PublishedPort": 9090}, {"URL": "", "PublishedPort": 0}]},
        {"Service": "c", "State": "exited", "Health": "", "ExitCode": 3, "Publishers": []},
        {"Service": "d", "State": "running", "Health": "unhealthy", "ExitCode": 0, "Publishers": []},
        {"Service": "e", "State": "restarting", "Health": "", "ExitCode": 2, "Publishers": []},
    ]  # fmt: skip
    text = "\n".join(json.dumps(row) for row in rows) if lines else json.dumps(rows)
    (tmp_path / "answer").write_text(text)
    environment = docker(ps=f"cat {tmp_path}/answer")

    found = services(Compose(("docker", "compose"), "2.40.3", ROOT, environment))

    assert [one.name for one in found] == ["a", "b", "c", "d", "e"]
    assert [one.well for one in found] == [False, True, False, False, False]
    assert [one.failed for one in found] == [False, False, True, True, True]
    assert [one.says for one in found] == [
        "starting",
        "done",
        "failed with 3",
        "unhealthy",
        "fails with 2 and is started again",
    ]
    assert found[0].ports == ("127.0.0.1:9090",)


def test_an_answer_that_lacks_something_is_an_error(docker):
    environment = docker(ps="""echo '{"Service": "a"}'""")

    with pytest.raises(RefusedError, match="'State'"):
        services(Compose(("docker", "compose"), "2.40.3", ROOT, environment))


def test_a_port_of_somebody_else_is_in_the_way_and_our_own_is_not(docker, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        mine = [Wanted("prometheus", "127.0.0.1", port)]
        row = {"Service": "p", "State": "running", "Health": "", "ExitCode": 0,
               "Publishers": [{"URL": "127.0.0.1", "PublishedPort": port}]}  # fmt: skip
        (tmp_path / "answer").write_text(json.dumps([row]))
        running = services(Compose(("docker", "compose"), "2", ROOT, docker(ps=f"cat {tmp_path}/answer")))

        assert taken(mine, ()) == tuple(mine)
        assert taken(mine, running) == ()
    assert taken(mine, ()) == ()


@pytest.mark.parametrize(
    ("said", "memory"), [("8000000000", 8_000_000_000), ("0", None), ("", None), ("no daemon", None)]
)
def test_the_engine_says_how_much_memory_it_has_or_nobody_knows(docker, said, memory):
    environment = docker(**{"--format": f"echo '{said}'"})

    assert Compose(("docker", "compose"), "2.40.3", ROOT, environment).memory_bytes() == memory


def test_without_the_program_docker_its_memory_is_not_known(tmp_path):
    assert Compose(("docker-compose",), "2.40.3", ROOT, {"PATH": str(tmp_path)}).memory_bytes() is None


def test_an_engine_with_little_memory_is_told_before_anything_is_started(docker):
    answers = {"version": "echo 2.40.3", "ps": "echo []", "config": "echo '{\"services\": {}}'", "build": "exit 1"}

    refused = command("up", **docker(**answers, **{"--format": "echo 1900000000"}))
    warned = command("up", **docker(**answers, **{"--format": "echo 3000000000"}))

    assert refused.returncode == 2
    assert "the Docker engine has 1.9 GB of memory, 4 GB are right; give it more" in refused.stderr
    assert "build" not in refused.stderr
    assert "the Docker engine has 3.0 GB of memory, 4 GB are right: services may be killed" in warned.stderr
    assert "docker compose build" in warned.stderr
    assert memory_warning(4_000_000_000) == ""


def test_a_container_that_was_killed_says_why():
    killed = Service(name="sidecar", state="exited", health="", exit_code=137, ports=())

    assert killed.says == "failed with 137 (killed, likely for its memory)"
    assert Service(name="sidecar", state="exited", health="", exit_code=1, ports=()).says == "failed with 1"


def test_a_folder_that_is_not_there_is_wrong_use():
    answer = command("up", "--config", "/nonexistent/config")

    assert answer.returncode == 2
    assert "/nonexistent/config is no folder: inferometer generate --out writes it" in answer.stderr


def test_a_misspelt_profile_is_wrong_use_and_starts_nothing():
    answer = command("up", "--profile", "dmeo", PATH="/nonexistent")

    assert answer.returncode == 2
    assert "'dmeo' is none of its values; did you mean 'demo'?" in answer.stderr


def test_each_profile_of_the_compose_file_can_be_asked_for():
    named = set(re.findall(r"profiles: \[(\w+)]", (ROOT / "compose" / "docker-compose.yaml").read_text()))

    # `mine` is the stack without any of these.
    assert named == set(Profile) - {Profile.MINE}


def test_logs_of_a_service_that_does_not_exist_are_wrong_use(docker):
    environment = docker(version="echo 2.40.3", ps="echo []", config="printf 'sidecar\nprometheus\n'")
    answer = command("logs", "sidcar", **environment)

    assert answer.returncode == 2
    assert "there is no service 'sidcar'; known: prometheus, sidecar" in answer.stderr


def test_a_folder_that_an_older_inferometer_wrote_is_named_before_docker_makes_folders_of_its_files(tmp_path):
    shutil.copytree(ROOT / "compose" / "config", tmp_path / "config")
    (tmp_path / "config" / "jaeger" / "ui.js").unlink()

    answer = command("up", "--config", str(tmp_path / "config"))

    assert answer.returncode == 2
    assert f"{tmp_path}/config has no jaeger/ui.js: inferometer generate --out writes it" in answer.stderr


@pytest.mark.parametrize("name", ["up", "down", "status", "logs"])
def test_each_command_has_help_with_an_example(name):
    answer = command(name, "--help")

    assert answer.returncode == 0
    assert f"Example: inferometer {name}" in answer.stdout


def test_a_container_that_runs_again_when_somebody_looks_is_named_all_the_same(docker, tmp_path):
    """Docker starts again what ended: it is `restarting` for one look, and `running` for the next."""

    def row(state):
        return json.dumps({"Service": "prometheus", "State": state, "Health": "", "ExitCode": 2, "Publishers": []})

    (tmp_path / "restarting").write_text(row("restarting"))
    (tmp_path / "running").write_text(row("running"))
    # Asked whether there is an engine, then for ports that are taken, then how it goes.
    ps = (
        f"echo >> {tmp_path}/asked; case $(wc -l < {tmp_path}/asked) in "
        f"1|2) echo [] ;; 3) cat {tmp_path}/restarting ;; *) cat {tmp_path}/running ;; esac"
    )
    answers = {"version": "echo 2.40.3", "ps": ps, "config": "echo '{\"services\": {}}'", "build": "true"}
    environment = docker(**answers, **{"--progress": "exec sleep 30", "logs": "echo cannot unmarshal"})

    answer = command("up", "--wait", "20s", **environment)

    assert answer.returncode == 1
    assert "prometheus fails with 2 and is started again; its last lines:\ncannot unmarshal" in answer.stderr
