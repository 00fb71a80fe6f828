"""What is done once before the containers start."""

import os
import stat
import subprocess
import sys

import pytest

from inferometer_compose.stack.prepare import Owned, give, make_password

ME = os.getuid()


def test_a_folder_is_its_owners_alone(tmp_path):
    folder = tmp_path / "state"
    folder.mkdir(mode=0o777)

    give(Owned(ME, folder))

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert folder.stat().st_uid == ME


def test_a_password_is_made_once_and_read_by_its_owner_alone(tmp_path):
    file = tmp_path / "password"

    assert make_password(Owned(ME, file))
    first = file.read_text()
    assert not make_password(Owned(ME, file))

    assert file.read_text() == first
    assert len(first) == 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o400
    assert [path.name for path in tmp_path.iterdir()] == ["password"]


def test_one_that_was_half_written_is_made_anew(tmp_path):
    (tmp_path / "password.new").write_text("half")

    assert make_password(Owned(ME, tmp_path / "password"))
    assert len((tmp_path / "password").read_text()) == 32


def test_no_two_are_the_same(tmp_path):
    for name in "ab":
        make_password(Owned(ME, tmp_path / name))

    assert (tmp_path / "a").read_text() != (tmp_path / "b").read_text()


def test_the_program_says_how_the_password_is_read_and_not_what_it_is(tmp_path):
    file = tmp_path / "password"
    command = [sys.executable, "-m", "inferometer_compose.stack.prepare", f"--folder={ME}:{tmp_path / 'x'}",
               f"--password={ME}:{file}"]  # fmt: skip

    first, second = (subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2))

    assert first.startswith("made ")
    assert second.startswith("kept ")
    assert f"docker compose exec grafana cat {file}" in first
    assert file.read_text() not in first + second
    assert (tmp_path / "x").is_dir()


@pytest.mark.parametrize("text", ["/var", "root:/var", "10001:var", "10001", ""])
def test_an_owner_and_a_path_are_asked_for(text):
    answer = subprocess.run(
        [sys.executable, "-m", "inferometer_compose.stack.prepare", "--folder", text],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert answer.returncode == 2
    assert "is not UID:/PATH" in answer.stderr
