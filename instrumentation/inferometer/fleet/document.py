"""A YAML file as a tree of nodes that know their line and column.

Only what fleet.yaml needs: mappings with string keys, sequences, scalars. Anchors, aliases and tags are refused,
because a value that stands elsewhere cannot be pointed at.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.nodes import Node as YamlNode

from inferometer.errors import FleetError, Place

_TAGS = {
    "tag:yaml.org,2002:str": "text",
    "tag:yaml.org,2002:int": "number",
    "tag:yaml.org,2002:float": "number",
    "tag:yaml.org,2002:bool": "truth value",
    "tag:yaml.org,2002:null": "nothing",
    "tag:yaml.org,2002:timestamp": "date",
}
_WHERE_ONE_IS = "--config names another; examples/fleet.yaml of a checkout is one to begin with"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """One value as it is written; ``kind`` is what YAML takes it for: text, number, date, truth value, nothing."""

    place: Place
    text: str
    kind: str
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """A list of values."""

    place: Place
    items: tuple["Value", ...]
    kind: str = "list"
    width: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """Keys and values in the order of the file; no key stands twice."""

    place: Place
    items: tuple[tuple[Scalar, "Value"], ...]
    kind: str = "mapping"
    width: int = 1

    def get(self, key: str) -> "Value | None":
        """The value of a key, or None."""
        return next((value for name, value in self.items if name.text == key), None)


Value = Scalar | Sequence | Mapping


def wrong(value: Value, message: str, hint: str = "") -> FleetError:
    """The error that points at a value."""
    return FleetError(message, value.place, hint=hint, width=value.width)


def at(root: Value, *path: str) -> Value:
    """The value at a path of keys; where a key is missing, the last one that is there."""
    value = root
    for name in path:
        found = value.get(name) if isinstance(value, Mapping) else None
        value = value if found is None else found
    return value


def read(path: Path) -> Mapping:
    """The mapping that a YAML file holds.

    Raises:
        FleetError: the file cannot be read, is no YAML, holds no mapping, or uses anchors or tags.
    """
    file = str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        hint = _WHERE_ONE_IS if isinstance(error, FileNotFoundError) else ""
        raise FleetError(f"cannot be read: {error.strerror}", Place(file, 0, 0), hint=hint) from error
    except UnicodeDecodeError as error:
        raise FleetError("is not UTF-8 text", Place(file, 1, 1)) from error
    return parse(text, file=file)


def parse(text: str, *, file: str) -> Mapping:
    """The mapping that a YAML text holds; ``file`` is named in errors.

    Raises:
        FleetError: as for :func:`read`.
    """
    lines = _Lines(file, tuple(text.splitlines()))
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        raise lines.unreadable(error) from error
    except YAMLError as error:
        raise FleetError(f"is not YAML: {str(error).splitlines()[0]}", lines.place(0, 0)) from error
    if root is None:
        raise FleetError("the file is empty", lines.place(0, 0), hint="start with `version: 1`")
    value = lines.value(root)
    if not isinstance(value, Mapping):
        raise wrong(value, f"expected a mapping, found a {value.kind}", "start with `version: 1`")
    return value


@dataclass(frozen=True, slots=True)
class _Lines:
    """The lines of a file, to quote the one that an error is about."""

    file: str
    lines: tuple[str, ...]

    def place(self, line: int, column: int) -> Place:
        source = self.lines[line] if 0 <= line < len(self.lines) else ""
        return Place(self.file, line + 1, column + 1, source)

    def unreadable(self, error: MarkedYAMLError) -> FleetError:
        mark = error.problem_mark or error.context_mark or StringMark("", 0, 0, 0, None, 0)
        place = self.place(mark.line, mark.column)
        problem = error.problem or "it cannot be parsed"
        if "\\t" in problem or "\t" in place.source[: mark.column + 1]:
            return FleetError("a tab cannot indent YAML", place, hint="indent with spaces")
        if "mapping values are not allowed" in problem:
            return FleetError(
                "a second `key:` on this line, or a line that is indented too far",
                place,
                hint="put each key on a line of its own, and text that holds `: ` in quotes",
            )
        return FleetError(f"this is not YAML: {problem}", place)

    def value(self, node: YamlNode) -> Value:
        place = self.place(node.start_mark.line, node.start_mark.column)
        if node.anchor:
            raise FleetError("anchors and aliases are not read here", place, hint="write the value out")
        if isinstance(node, ScalarNode):
            return self._scalar(node, place)
        if isinstance(node, SequenceNode):
            return Sequence(place=place, items=tuple(self.value(item) for item in node.value))
        if isinstance(node, MappingNode):
            return Mapping(place=place, items=tuple(self._items(node)))
        raise FleetError(f"a {type(node).__name__} is not read here", place)

    def _items(self, node: MappingNode) -> Iterator[tuple[Scalar, Value]]:
        first: dict[str, Place] = {}
        for key_node, value_node in node.value:
            key = self.value(key_node)
            if not isinstance(key, Scalar):
                raise wrong(key, f"a key must be text, found a {key.kind}")
            if key.text in first:
                raise wrong(
                    key,
                    f"{key.text!r} stands here a second time, first in line {first[key.text].line}",
                    "remove one of the two or give it another name",
                )
            first[key.text] = key.place
            yield key, self.value(value_node)

    def _scalar(self, node: ScalarNode, place: Place) -> Scalar:
        kind = _TAGS.get(str(node.tag))
        if kind is None:
            raise FleetError(f"the tag {node.tag} is not read here", place, hint="write a plain value")
        width = node.end_mark.column - node.start_mark.column if node.end_mark.line == node.start_mark.line else 1
        return Scalar(place=place, text=str(node.value), kind=kind, width=max(width, 1))
