"""Markdown files with tables that code makes, between markers: written anew, or compared.

A block is ``<!-- generated: NAME -->`` … ``<!-- end -->``.
"""

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeAlias

Tables: TypeAlias = Mapping[str, Callable[[], str]]

_BLOCK: Final = re.compile(r"(<!-- generated: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str, tables: Tables) -> str:
    """*text* with the content of every block made anew.

    Raises:
        KeyError: a block names a table that does not exist.
    """
    return _BLOCK.sub(lambda block: f"{block[1]}{tables[block['name']]()}\n{block[3]}", text)


def main(module: str, arguments: list[str], tables: Tables) -> int:
    """Write files or, with ``--check``, compare them.

    Args:
        module: which is run with ``python -m``.
        arguments: of the command line.
        tables: name of a block -> its content.

    Returns:
        1 where ``--check`` found a difference.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description="Write generated tables into files.")
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if a file is out of date")
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args(arguments)
    new = {path: filled(path.read_text(encoding="utf-8"), tables) for path in options.files}
    stale = [path for path, text in new.items() if text != path.read_text(encoding="utf-8")]
    for path in stale:
        if options.check:
            sys.stderr.write(f"{path} is out of date with {module}; run `make generate`\n")
        else:
            path.write_text(new[path], encoding="utf-8")
    return int(options.check and bool(stale))
