"""Environments of heavy tests are made once, are whole or not there, and give way to newer ones."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

import environments

PROGRAM = Path(__file__).parents[2] / "tools" / "environments.py"


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "requirements"
    folder.mkdir()
    (folder / "small.txt").write_text("# nothing to install\n")
    return folder


def test_an_environment_is_made_once_and_runs_python(source, tmp_path):
    home = environments.make("small", tmp_path / "cache", source=source)
    made = (home / ".ready").stat().st_mtime_ns
    again = environments.make("small", tmp_path / "cache", source=source)

    assert again == home
    assert (home / ".ready").stat().st_mtime_ns == made
    shown = subprocess.run(
        [home / "bin" / "python", "-c", "import sys; print(sys.prefix)"], check=True, capture_output=True, text=True
    ).stdout
    assert Path(shown.strip()) == home


def test_what_was_left_half_made_is_made_again(source, tmp_path):
    home = environments.make("small", tmp_path / "cache", source=source)
    (home / ".ready").unlink()
    (home / "left").touch()
    environments.make("small", tmp_path / "cache", source=source)

    assert (home / ".ready").exists()
    assert not (home / "left").exists()


def test_other_requirements_make_another_one_and_the_old_one_goes(source, tmp_path):
    cache = tmp_path / "cache"
    (source / "small-two.txt").write_text("# another name\n")
    other = environments.make("small-two", cache, source=source)
    old = environments.make("small", cache, source=source)
    (source / "small.txt").write_text("# nothing else to install\n")
    new = environments.make("small", cache, source=source)

    assert new != old
    assert not old.exists()
    assert (other / ".ready").exists()


def test_two_at_once_make_it_once(source, tmp_path, monkeypatch):
    builds = []
    build = environments._build
    monkeypatch.setattr(environments, "_build", lambda *args: builds.append(args) or build(*args))
    threads = [
        threading.Thread(target=environments.make, args=("small", tmp_path / "cache"), kwargs={"source": source})
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(builds) == 1


@pytest.mark.parametrize("line", ["numpy", "numpy>=1", "-r other.txt", "git+https://example.org/x", "numpy==1 --hash"])
def test_a_line_that_fixes_no_version_is_refused_with_its_number(source, tmp_path, line):
    (source / "small.txt").write_text(f"# first\n{line}\n")

    with pytest.raises(environments.UnusableError, match=r"small\.txt:2: .* fixes no version; write name==version"):
        environments.make("small", tmp_path / "cache", source=source)


@pytest.mark.parametrize("name", ["unknown", "../small", ""])
def test_a_name_that_is_not_there_says_which_are(source, tmp_path, name):
    with pytest.raises(environments.UnusableError, match=r"there are: small$"):
        environments.make(name, tmp_path / "cache", source=source)


def test_what_cannot_be_installed_is_said_and_leaves_nothing_that_counts(source, tmp_path, monkeypatch):
    for variable in ("UV_OFFLINE", "UV_NO_INDEX", "PIP_NO_INDEX"):
        monkeypatch.setenv(variable, "1")
    (source / "small.txt").write_text("there-is-no-such-package==1.0\n")

    with pytest.raises(environments.UnusableError, match="there-is-no-such-package"):
        environments.make("small", tmp_path / "cache", source=source)
    assert not list((tmp_path / "cache").glob("*/.ready"))


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({"INFEROMETER_CACHE": "/c"}, "/c/environments"),
        ({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/inferometer/environments"),
        ({"HOME": "/h"}, "/h/.cache/inferometer/environments"),
    ],
)
def test_the_cache_is_where_the_environment_says(environ, place):
    assert environments.cache(environ) == Path(place)


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["--help"], 0), (["unknown"], 1), (["a", "b"], 2)])
def test_exit_codes_and_plain_errors(arguments, code):
    done = subprocess.run([sys.executable, PROGRAM, *arguments], capture_output=True, text=True, check=False)

    assert done.returncode == code
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_every_environment_of_the_project_fixes_its_versions():
    names = [path.stem for path in environments.REQUIREMENTS.glob("*.txt")]

    assert "frameworks" in names
    for name in names:
        environments.requirements(name)
