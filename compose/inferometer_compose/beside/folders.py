"""Where the recorder of each run is, and which of them go."""

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from inferometer.errors import StateError
from inferometer_exporters.recorder.names import FILE_NAME

KEPT_RUNS: Final = 10
_LOCK_NAME: Final = "run.lock"


def state_folder(environment: Mapping[str, str]) -> Path:
    """Where this user's inferometer keeps what outlives a process."""
    # The place that the XDG base directory specification names for state.
    given = environment.get("XDG_STATE_HOME")
    return (Path(given) if given else Path.home() / ".local" / "state") / "inferometer"


def recorders(environment: Mapping[str, str]) -> list[Path]:
    """The recorder files of the runs that are kept."""
    return list(_runs(environment).glob(f"*/{FILE_NAME}"))


@contextlib.contextmanager
def of_this_run(environment: Mapping[str, str]) -> Iterator[Path]:
    """A new folder for a run, locked while it lasts; of those that have ended only the newest are kept.

    Raises:
        StateError: the folder cannot be made.
    """
    runs = _runs(environment)
    folder = runs / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    with contextlib.ExitStack() as lock:
        try:
            folder.mkdir(mode=0o700, parents=True)
            lock.enter_context(_locked(folder))
            _forget(runs)
        except OSError as error:
            raise StateError(f"cannot make the folder {folder}: {error.strerror}") from error
        yield folder


def _runs(environment: Mapping[str, str]) -> Path:
    return state_folder(environment) / "runs"


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / _LOCK_NAME).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _forget(runs: Path) -> None:
    for old in sorted((path for path in runs.iterdir() if path.is_dir()), reverse=True)[KEPT_RUNS:]:
        with contextlib.suppress(OSError), _locked(old):
            shutil.rmtree(old)
