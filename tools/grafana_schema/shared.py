"""A JSON Schema in which what stands twice stands once, as a definition.

shared.py IN OUT        both are files
"""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

_WORTH_IT: Final = 100
"""Characters: a reference is about as long as a type of one word."""


def shared(schema: Any) -> Any:
    """The same schema with definitions."""
    seen: Counter[str] = Counter()
    _count(schema, seen)
    names = {text: f"s{number}" for number, text in enumerate(sorted(text for text, n in seen.items() if n > 1))}
    definitions = {name: _referring(json.loads(text), names, root=True) for text, name in names.items()}
    return {**_referring(schema, names, root=True), "definitions": definitions}


def _count(value: Any, seen: Counter[str]) -> None:
    if isinstance(value, dict):
        if _is_schema(value):
            seen[_text(value)] += 1
        for inner in value.values():
            _count(inner, seen)
    elif isinstance(value, list):
        for inner in value:
            _count(inner, seen)


def _is_schema(value: dict[str, Any]) -> bool:
    kind = value.get("type")
    return ("anyOf" in value or isinstance(kind, str | list)) and len(_text(value)) > _WORTH_IT


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _referring(value: Any, names: dict[str, str], *, root: bool = False) -> Any:
    if isinstance(value, dict):
        if not root and (name := names.get(_text(value))):
            return {"$ref": f"#/definitions/{name}"}
        return {key: _referring(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_referring(inner, names) for inner in value]
    return value


if __name__ == "__main__":
    made = shared(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    Path(sys.argv[2]).write_text(json.dumps(made, indent=1, sort_keys=True) + "\n", encoding="utf-8")
