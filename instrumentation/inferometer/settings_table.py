"""Write the table of all settings into Markdown files, between markers; ``--check`` only compares.

``python -m inferometer.settings_table [--check] FILE...``
"""

import ast
import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final

from inferometer import generated_tables, settings
from inferometer.settings import VARIABLES, Settings


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


TABLES: Final[generated_tables.Tables] = {"settings": table}


if __name__ == "__main__":
    sys.exit(generated_tables.main("inferometer.settings_table", sys.argv[1:], TABLES))
