"""What pushing does to each board: made, written anew, left as it is, or kept because a person changed it."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from inferometer_compose.pushing.grafana import Grafana, Latest

OURS: Final = "inferometer generate"
"""How the message of a version that we wrote begins; behind it stands the digest of what we wrote."""
_DIGITS: Final = 16


class Done(StrEnum):
    """What became of a board."""

    MADE = "made"
    WRITTEN = "written"
    SAME = "unchanged"
    KEPT = "kept"
    """A person changed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """A board and what became of it, or would."""

    uid: str
    title: str
    done: Done
    why: str = ""


def push(
    grafana: Grafana,
    boards: Iterable[Mapping[str, Any]],
    *,
    folder: tuple[str, str],
    overwrite: bool = False,
    check: bool = False,
) -> Iterator[Pushed]:
    """Bring boards into a folder, one after another; other boards there are not looked at.

    Args:
        grafana: Where to.
        boards: As generated.
        folder: Uid and title.
        overwrite: Also what a person changed.
        check: Write nothing, only say what would be done.

    Raises:
        RefusedError: Grafana does not answer, or says no; what was yielded before is done.
    """
    uid, title = folder
    if not check and not grafana.has_folder(uid):
        grafana.make_folder(uid, title)
    for board in boards:
        yield _pushed(grafana, dict(board), uid, overwrite=overwrite, check=check)


def _pushed(grafana: Grafana, board: dict[str, Any], folder: str, *, overwrite: bool, check: bool) -> Pushed:
    uid, title, mine = board["uid"], board["title"], message(board)
    latest = grafana.latest(uid)
    if latest is not None and latest.message == mine:
        return Pushed(uid=uid, title=title, done=Done.SAME)
    foreign = latest is not None and not latest.message.startswith(OURS)
    if latest is not None and foreign and not overwrite:
        return Pushed(uid=uid, title=title, done=Done.KEPT, why=_changed(latest))
    done = Done.MADE if latest is None else Done.WRITTEN
    if not check:
        over = None if latest is None or foreign else latest.number
        if not grafana.save(board, folder=folder, message=mine, over=over):
            return Pushed(uid=uid, title=title, done=Done.KEPT, why="somebody saved it just now")
    return Pushed(uid=uid, title=title, done=done)


def message(board: Mapping[str, Any]) -> str:
    """The message of a version of ours: the same for the same board."""
    text = json.dumps(board, sort_keys=True, separators=(",", ":"))
    return f"{OURS} {hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]}"


def _changed(latest: Latest) -> str:
    return f"version {latest.number} is of {latest.by or 'somebody'}{', ' + latest.at if latest.at else ''}"
