"""The stack in containers, up from a copy of this checkout as a user starts it, in a Docker engine of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import compose
import psutil
import pytest

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".tools" / "engine"
PEERS = {
    "prometheus": ("prometheus", "promtool"),
    "alertmanager": ("alertmanager", "amtool"),
    "jaeger": ("jaeger",),
    "grafana": (),
}
BASE = "python:3.12-slim"
"""The name under which the local base is known, so that our Dockerfile is built as it is."""
PACKAGES = "busybox,ca-certificates,python3,python3-venv,python3-yaml"
ANOTHER = (
    "a Docker engine runs on this machine already; these tests need one of their own, and two are in each other's way"
)


@dataclass(frozen=True)
class Engine:
    """An engine that answers."""

    socket: str
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Where clients find it."""
        return {**os.environ, "DOCKER_HOST": self.socket, "DOCKER_BUILDKIT": "0"}

    def docker(self, *arguments: str, timeout: float = 300, check: bool = True) -> str:
        """What ``docker …`` prints."""
        return ran(["docker", *arguments], self.environment, None, timeout, check=check)

    def compose(self, *arguments: str, folder: Path, timeout: float = 300, check: bool = True, **more: str) -> str:
        """What ``docker compose …`` prints in a folder."""
        program = Path(next(iter(compose.__path__))) / "docker-compose"
        return ran([str(program), *arguments], {**self.environment, **more}, folder, timeout, check=check)

    def listed(self, *arguments: str) -> list[dict]:
        """What ``docker …`` lists, a JSON document a line."""
        return [json.loads(line) for line in self.docker(*arguments, "--format", "{{json .}}").splitlines()]


def ran(command: list[str], environment: dict[str, str], folder: Path | None, timeout: float, *, check: bool) -> str:
    """What a command printed; with both streams in the error where it failed."""
    done = subprocess.run(
        command, capture_output=True, check=False, text=True, timeout=timeout, env=environment, cwd=folder
    )
    assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@contextmanager
def running(folder: Path) -> Iterator[Engine]:
    """Start an engine, and stop it by its pid."""
    for program in ("dockerd", "debootstrap"):
        assert shutil.which(program), f"{program} is missing: make test-stack installs it"
    assert "dockerd" not in {process.name() for process in psutil.process_iter()}, ANOTHER
    engine = Engine(f"unix://{folder}/docker.sock", folder)
    command = [
        "dockerd", "--host", engine.socket, "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec",
        "--pidfile", f"{folder}/pid",
    ]  # fmt: skip
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as daemon:
        try:
            deadline = time.monotonic() + 60
            while not engine.docker("version", check=False, timeout=10).count("Server"):
                assert daemon.poll() is None, (folder / "log").read_text()[-2000:]
                assert time.monotonic() < deadline, "the engine does not answer"
                time.sleep(0.2)
            yield engine
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(60)
            shutil.rmtree(folder / "data")


def base(engine: Engine) -> None:
    """Make the image that everything is built from: Debian with Python, and this machine's certificates."""
    archive = CACHE / "base.tar"
    if not archive.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        tree = CACHE / "base"
        shutil.rmtree(tree, ignore_errors=True)
        ran(
            ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(tree)],
            dict(os.environ), None, 600, check=True,
        )  # fmt: skip
        # The peers' images have it, and Compose asks them by it how they are.
        (tree / "usr/bin/wget").symlink_to("/bin/busybox")
        bundle = Path("etc/ssl/certs/ca-certificates.crt")
        shutil.copyfile("/" / bundle, tree / bundle)
        beside = archive.with_suffix(".new")
        ran(["tar", "-C", str(tree), "-cf", str(beside), "."], dict(os.environ), None, 300, check=True)
        shutil.rmtree(tree)
        beside.rename(archive)
    engine.docker("import", str(archive), BASE)


def peers(engine: Engine, folder: Path) -> None:
    """Build stand-ins for the peers' images, under the names that Compose pins."""
    versions = json.loads((ROOT / "tools" / "versions.json").read_text())["programs"]
    images = Path(__file__).parent / "images"
    for name, programs in PEERS.items():
        context = folder / name
        context.mkdir()
        for program in programs:
            built = ROOT / ".tools" / "bin" / program
            assert built.exists(), f"{program} is missing: make tools builds it"
            shutil.copy2(built, context)
        shutil.copy2(images / f"{name}.Dockerfile", context / "Dockerfile")
        shutil.copy2(images / "grafana.py", context)
        engine.docker(
            "build", "--quiet", "--build-arg", f"BASE={BASE}", "--tag", versions[name]["image"],
            str(context), timeout=600,
        )  # fmt: skip
        shutil.rmtree(context)


def checkout(folder: Path) -> Path:
    """A copy of the files of this checkout that git knows or would know."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, capture_output=True, check=True, cwd=ROOT).stdout.split(b"\0")
    for name in filter(None, names):
        source, target = ROOT / os.fsdecode(name), folder / os.fsdecode(name)
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return folder


@dataclass(frozen=True)
class Stack:
    """The stack, up."""

    engine: Engine
    folder: Path
    """The copy of the checkout that it was started in."""
    seconds: float
    """From `docker compose up` until every service was healthy; images were built before."""

    def compose(self, *arguments: str, **more) -> str:
        """What ``docker compose …`` prints at the root of the copy."""
        return self.engine.compose(*arguments, folder=self.folder, **more)

    def inspected(self) -> dict[str, dict]:
        """What the engine says of each container, by service."""
        found = json.loads(self.engine.docker("inspect", *self.compose("ps", "--all", "--quiet").split()))
        return {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in found}


@pytest.fixture(scope="session")
def engine(tmp_path_factory):
    """An engine with the images of Compose's peers; ours is built from the Dockerfile by Compose."""
    folder = tmp_path_factory.mktemp("engine")
    with running(folder) as engine:
        base(engine)
        peers(engine, folder)
        yield engine


@pytest.fixture(scope="session")
def stack(engine, tmp_path_factory):
    """``docker compose up`` at the root of a copy of the checkout, with nothing done before."""
    folder = checkout(tmp_path_factory.mktemp("checkout"))
    began = time.monotonic()
    engine.compose("build", "--quiet", folder=folder, timeout=900)
    built = time.monotonic()
    try:
        engine.compose("up", "--detach", "--wait", "--quiet-pull", folder=folder, timeout=300)
        stack = Stack(engine, folder, time.monotonic() - built)
        sys.stdout.write(f"\nbuilt in {built - began:.0f} s, healthy {stack.seconds:.0f} s after `docker compose up`")
        yield stack
    finally:
        engine.compose("down", "--volumes", "--timeout", "5", folder=folder)


@dataclass(frozen=True)
class Commands:
    """Our own commands of the stack, in a copy of the checkout."""

    engine: Engine
    folder: Path

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Exit status and both streams of ``inferometer …``."""
        program = Path(next(iter(compose.__path__)))
        environment = {**self.engine.environment, "PATH": f"{program}:{os.environ['PATH']}"}
        done = subprocess.run(
            [sys.executable, "-m", "inferometer_compose", *arguments],
            capture_output=True, check=False, text=True, timeout=600, env=environment, cwd=self.folder,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="session")
def inferometer(engine, tmp_path_factory):
    """``inferometer up`` and its like, in another copy of the checkout."""
    commands = Commands(engine, checkout(tmp_path_factory.mktemp("commands")))
    yield commands
    commands("down", "--volumes")
