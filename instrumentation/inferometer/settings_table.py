"""Write the table of all settings into Markdown files, between markers; ``--check`` only compares.

``python -m inferometer.settings_table [--check] FILE...``
"""

import argparse
import ast
import re
import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final

from inferometer import settings
from inferometer.settings import VARIABLES, Settings

_BLOCK: Final = re.compile(r"(<!-- generated: settings -->\n).*?(<!-- end -->)", re.DOTALL)


@cache
def meanings() -> Mapping[str, str]:
    """Field -> what it means, with the variable's name in front, from the strings under the fields.

    Empty where the source is not there: a frozen application has none.
    """
    try:
        tree = ast.parse(Path(settings.__file__).read_text(encoding="utf-8"))
    except OSError:
        return {}
    (body,) = (node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == Settings.__name__)
    found = {}
    for field, text in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            found[field.target.id] = " ".join(str(ast.literal_eval(text.value)).split())
    return found


def shown(value: object) -> str:
    """A value as a person would write it into the variable; empty for none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, frozenset):
        return ",".join(sorted(map(str, value)))
    return str(value)


def table() -> str:
    """The Markdown table of all settings that a variable sets, in the order of the fields."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for field in fields(Settings):
        if field.name not in VARIABLES:
            continue
        variable = VARIABLES[field.name]
        default = shown(field.default) if field.default is not MISSING else ""
        meaning = meanings()[field.name].removeprefix(f"{variable}: ").replace("``", "`")
        rows.append(f"| `{variable}` | {f'`{default}`' if default else ''} | {meaning} |")
    return "\n".join(rows)


def main(arguments: list[str]) -> int:
    """Write or compare; 1 where ``--check`` found a difference."""
    parser = argparse.ArgumentParser(prog="python -m inferometer.settings_table", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if a file is out of date")
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args(arguments)
    new = {
        path: _BLOCK.sub(lambda block: f"{block[1]}{table()}\n{block[2]}", path.read_text(encoding="utf-8"))
        for path in options.files
    }
    stale = [path for path, text in new.items() if text != path.read_text(encoding="utf-8")]
    for path in stale:
        if options.check:
            sys.stderr.write(f"{path} is out of date with the settings; run `make generate`\n")
        else:
            path.write_text(new[path], encoding="utf-8")
    return int(options.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
