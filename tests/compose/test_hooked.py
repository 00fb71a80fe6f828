"""The line of `inferometer run` that names libraries with hooks."""

import sys
from pathlib import Path

from inferometer_compose.beside.hooked import libraries

HERE = str(Path(sys.executable).parent)


def test_libraries_that_a_command_of_this_environment_may_import_are_named_once():
    found = libraries("uvicorn", {"PATH": HERE})

    assert found[:3] == ["starlette", "fastapi", "uvicorn"]
    assert {"onnxruntime", "grpc", "httpx"} <= set(found)
    # Not installed here; a part of Python; a module inside of another package.
    assert not {"torch", "asyncio", "logging", "threading", "_bentoml_impl"} & set(found)
    assert len(set(found)) == len(found)
    assert libraries(sys.executable, {}) == found


def test_what_another_python_has_is_not_guessed(tmp_path):
    for name in ("python", "start.sh"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)

    assert libraries("python", {"PATH": f"{tmp_path}:{HERE}"}) == []
    assert libraries(str(tmp_path / "start.sh"), {"PATH": HERE}) == []
    assert libraries("no-such-program", {"PATH": HERE}) == []
