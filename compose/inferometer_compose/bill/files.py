"""The files of a bill: a folder stands for all exports in it, as a cloud writes them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from inferometer_compose.bill.table import BillError

_EXPORTS: Final = (".csv", ".csv.gz", ".parquet")
"""What else lies there are manifests, checksums and marks of what wrote them."""


def files(told: Sequence[Path]) -> tuple[Path, ...]:
    """The files that are meant by *told*, those of a folder and the folders in it by name.

    Raises:
        BillError: a folder has no export.
    """
    return tuple(file for path in told for file in ((path,) if not path.is_dir() else _in(path)))


def _in(folder: Path) -> Iterator[Path]:
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and _is_export(path.relative_to(folder))]
    if not found:
        raise BillError(f"{folder}: no file in it ends in {', '.join(_EXPORTS[:-1])} or {_EXPORTS[-1]}")
    yield from found


def _is_export(path: Path) -> bool:
    hidden = any(part.startswith((".", "_")) for part in path.parts)
    return not hidden and path.name.lower().endswith(_EXPORTS)
