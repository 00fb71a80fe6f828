"""Programs are found in the folders first, and refused in a line where their version will not do."""

import pytest

from inferometer_compose.stack.programs import ALERTMANAGER, JAEGER, PROMETHEUS, find


def program(folder, name, says):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{says}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("requirement", "says", "version"),
    [
        (PROMETHEUS, "echo 'prometheus, version 3.9.1 (branch: , revision: unknown)'", (3, 9, 1)),
        (ALERTMANAGER, "echo 'alertmanager, version 0.31.1 (branch: HEAD)' >&2", (0, 31, 1)),
        (JAEGER, "echo '2026 application version: git-commit=' >&2; echo 'jaeger version v2.13.0'", (2, 13, 0)),
    ],
    ids=["prometheus", "alertmanager", "jaeger"],
)
def test_a_version_is_read_as_the_program_writes_it(tmp_path, requirement, says, version):
    path = program(tmp_path / "bin", requirement.name, says)

    found = find(requirement, [tmp_path / "bin"], search_path="")

    assert (found.path, found.version) == (path, version)


def test_debians_prometheus_is_refused_in_a_line(tmp_path):
    path = program(tmp_path / "bin", "prometheus", "echo 'prometheus, version 2.42.0+ds (branch: debian/sid)'")

    found = find(PROMETHEUS, [], search_path=str(tmp_path / "bin"))

    assert found.path is None
    assert f"{path} is 2.42.0; 3.0.0 or newer is needed" in str(found)
    assert "\n" not in str(found)


def test_a_usable_program_on_the_path_replaces_a_refused_one(tmp_path):
    program(tmp_path / "old", "prometheus", "echo 'prometheus, version 2.42.0'")
    path = program(tmp_path / "new", "prometheus", "echo 'prometheus, version 3.9.1'")

    assert find(PROMETHEUS, [tmp_path / "old"], search_path=str(tmp_path / "new")).path == path


def test_what_is_nowhere_is_not_found(tmp_path):
    assert str(find(JAEGER, [tmp_path], search_path="")) == "Jaeger \N{EN DASH} (not found)"


def test_a_program_without_a_version_is_refused(tmp_path):
    program(tmp_path / "bin", "jaeger", "exit 1")

    assert "does not tell its version" in str(find(JAEGER, [tmp_path / "bin"], search_path=""))
