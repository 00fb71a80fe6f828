"""What is public is typed, documented and complete."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import inferometer

USAGE = Path(__file__).with_name("typed_usage.py")


@pytest.mark.processes
def test_a_user_who_checks_types_strictly_finds_no_error(tmp_path):
    # From outside of the project, as a user: the installed package says by py.typed that it has types.
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", str(tmp_path), str(USAGE)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (done.stdout.strip(), done.stderr) == ("Success: no issues found in 1 source file", "")


def test_the_typed_usage_uses_everything_that_is_public():
    used = {
        node.attr
        for node in ast.walk(ast.parse(USAGE.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "inferometer"
    }

    assert set(inferometer.__all__) <= used


def test_what_is_public_is_sorted():
    assert inferometer.__all__ == sorted(inferometer.__all__)


@pytest.mark.parametrize("name", [name for name in inferometer.__all__ if name != "__version__"])
def test_what_is_public_says_what_it_does(name):
    public = getattr(inferometer, name)
    documented = inspect.getdoc(public) or ""
    documented += inspect.getdoc(public.__init__) or "" if inspect.isclass(public) else ""
    given = [parameter for parameter in inspect.signature(public).parameters if parameter != "self"]

    assert documented
    assert [parameter for parameter in given if f"{parameter}:" not in documented] == []
