"""What the repository promises about itself."""

import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "instrumentation": "inferometer",
    "exporters": "inferometer_exporters",
    "dashboards": "inferometer_dashboards",
    "alerts": "inferometer_alerts",
    "compose": "inferometer_compose",
}


@pytest.mark.parametrize("folder", PACKAGES)
def test_each_folder_holds_one_package_since_only_that_one_is_in_the_wheel(folder):
    packages = [path.parent.name for path in (ROOT / folder).glob("*/__init__.py")]

    assert packages == [PACKAGES[folder]]


def test_the_base_install_needs_at_most_four_packages():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert len(project["dependencies"]) <= 4


def test_every_locked_package_has_a_hash():
    for lock in (ROOT / "requirements").glob("*.txt"):
        pinned = re.findall(r"^(\S+==\S+) (\\?)$", lock.read_text(), re.MULTILINE)
        assert pinned
        assert all(more == "\\" for _, more in pinned), lock


@pytest.mark.processes
@pytest.mark.parametrize("module", ["inferometer", "inferometer.auto"])
def test_importing_the_sdk_loads_nothing_heavy(module):
    heavy = [
        "numpy",
        "duckdb",
        "starlette",
        "fastapi",
        "httpx",
        "uvicorn",
        "ruamel",
        "onnxruntime",
        "prometheus_client",
        "rich",
        "typer",
    ]
    code = f"import sys, {module}; print(sorted(set(sys.modules) & set({heavy!r})))"

    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout

    assert shown.strip() == "[]"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_wheel_works_in_a_clean_environment(tmp_path):
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    subprocess.run([python, "-m", "pip", "install", "-q", str(wheel)], check=True, capture_output=True)

    code = "import inferometer.auto, inferometer, pathlib; print(pathlib.Path(inferometer.__file__).parent)"
    ran = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)
    switched = subprocess.run(
        [python, "-c", "import sys; print('inferometer.switch' in sys.modules)"],
        env={"INFEROMETER_ENABLED": "1"}, check=True, capture_output=True, text=True, cwd=tmp_path,
    ).stdout  # fmt: skip
    installed = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"], check=True, capture_output=True, text=True
    ).stdout.split()
    command = subprocess.run(
        [tmp_path / "venv/bin/inferometer", "--help"], check=False, capture_output=True, text=True, cwd=tmp_path
    )

    assert str(tmp_path) in ran.stdout
    assert (Path(ran.stdout.strip()) / "py.typed").is_file()
    assert switched.strip() == "True"
    names = {line.split("==")[0].split(" ")[0] for line in installed}
    assert len(names - {"pip", "setuptools", "inferometer"}) <= 4, names
    assert "inferometer[" in command.stdout + command.stderr, "without extras the command names the one to install"
