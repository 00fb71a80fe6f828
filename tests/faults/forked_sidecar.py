"""A sidecar that lives and dies many times; the imports, most of a life as short as these, are made once."""

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import sidecar_process

_CONTEXT: Final = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["sidecar_process", "inferometer_exporters.serving"])


def _live(folder: Path, said: Connection, options: list[str]) -> None:
    os.dup2(said.fileno(), 1)
    log = os.open(folder / "sidecar.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 2)
    sidecar_process.main([str(folder), *options])


class ForkedSidecar:
    """Each life is a process of its own, that has its own connections, threads and files."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options = options
        self._process: multiprocessing.process.BaseProcess | None = None
        self._said: Connection | None = None

    @property
    def log(self) -> str:
        """What it said on standard error, in all its lives."""
        path = self._folder / "sidecar.log"
        return path.read_text() if path.exists() else ""

    def start(self, *, die_after: int = 0) -> None:
        """Returns when it listens, or when it has died before."""
        self._said, said = _CONTEXT.Pipe(duplex=False)
        options = ["--die-after", str(die_after), *self._options]
        self._process = _CONTEXT.Process(target=_live, args=(self._folder, said, options))
        self._process.start()
        said.close()
        with open(self._said.fileno(), closefd=False) as lines:
            any(line.startswith("api ") for line in lines)

    def reap(self) -> int:
        """Its exit status, negative for a signal."""
        assert self._process is not None
        assert self._said is not None
        self._process.join(60)
        self._said.close()
        if (status := self._process.exitcode) is None:
            self._process.kill()
            raise AssertionError(f"it did not end within 60 s:\n{self.log[-4000:]}")
        return status

    def terminate(self) -> int:
        assert self._process is not None
        self._process.terminate()
        return self.reap()

    def close(self) -> None:
        """Whatever has happened: it is gone."""
        if self._process is not None and self._process.exitcode is None:
            self._process.kill()
            assert self.reap() == -signal.SIGKILL
