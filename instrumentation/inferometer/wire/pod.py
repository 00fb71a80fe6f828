"""Where a worker runs in a Kubernetes cluster, as far as anybody knows."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

MAX_TEXT = 253
"""Characters of a name: Kubernetes' own limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A worker's container; what is not known is empty."""

    namespace: str = ""
    name: str = ""
    uid: str = ""
    node: str = ""
    container: str = ""
    """Name of the container."""
    container_id: str = ""

    def __bool__(self) -> bool:
        """Whether anything is known."""
        return any(self.texts)

    @property
    def texts(self) -> tuple[str, ...]:
        """All that is known, in the order of the fields."""
        # For each frame: `dataclasses.astuple` takes ten times as long.
        return (self.namespace, self.name, self.uid, self.node, self.container, self.container_id)

    @classmethod
    def of(cls, texts: "tuple[str | None, ...]") -> "Pod":
        """What `texts` says, stored and read again."""
        return cls(**{one.name: text or "" for one, text in zip(fields(cls), texts, strict=False)})

    def or_else(self, other: "Pod") -> "Pod":
        """What is known here, and what only *other* knows."""
        return Pod.of(tuple(mine or theirs for mine, theirs in zip(self.texts, other.texts, strict=True)))

    def to_json(self) -> dict[str, str]:
        """What is known, by name."""
        return {one.name: text for one, text in zip(fields(self), self.texts, strict=True) if text}

    @classmethod
    def from_json(cls, data: object) -> "Pod":
        """What a worker says, with names it does not know left out; texts are cut where no name is so long.

        Raises:
            TypeError: a name is no text, or the whole no object.
        """
        if not isinstance(data, Mapping):
            raise TypeError(f"a pod is {data!r}, an object is right")
        said = {one.name: data[one.name] for one in fields(cls) if one.name in data}
        wrong = next((name for name, text in said.items() if not isinstance(text, str)), None)
        if wrong is not None:
            raise TypeError(f"the pod's {wrong} is {said[wrong]!r}, a text is right")
        return cls(**{name: "".join(filter(str.isprintable, str(text)))[:MAX_TEXT] for name, text in said.items()})
