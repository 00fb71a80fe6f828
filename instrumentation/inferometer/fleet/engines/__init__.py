"""Mappings of engines: which series of a foreign model server's page is which signal of ours, and how good it is.

    names() -> ("bentoml", …, "vllm")
    load("vllm") -> Mapping
    boundaries("vllm", "0.32") -> {signal name: Boundaries(quality, reason, le, flag)}

The files beside this module are the mappings; docs/engines.md describes their format. What reads them is imported when
it is asked for: the fleet file's schema needs the names alone, and a command's ``--help`` no YAML.
"""

from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Pairs
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Final

from inferometer.fleet.engines.model import Mapping
from inferometer.fleet.engines.vocabulary import Boundaries, Quality

__all__ = ["FOLDER", "Boundaries", "Mapping", "Quality", "boundaries", "every", "load", "loads", "names"]

FOLDER: Final = Path(__file__).parent
"""Where the mappings are."""


@cache
def names() -> tuple[str, ...]:
    """Engines that there is a mapping of."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


@cache
def load(name: str) -> Mapping:
    """The mapping of an engine.

    Raises:
        FleetError: it says something that cannot be right.
        KeyError: there is none of this name.
    """
    from inferometer.fleet.engines import loader  # noqa: PLC0415 - see above

    if name not in names():
        raise KeyError(name)
    return loader.read(FOLDER / f"{name}.yaml")


def loads(text: str, *, file: str) -> Mapping:
    """The mapping in a text; ``file`` is named in errors, and its stem is the engine's name.

    Raises:
        FleetError: it says something that cannot be right.
    """
    from inferometer.fleet.engines import loader  # noqa: PLC0415 - see above

    return loader.loads(text, file=file)


def every() -> Iterator[Mapping]:
    """All mappings, by name.

    Raises:
        FleetError: one says something that cannot be right.
    """
    return (load(name) for name in names())


def boundaries(
    engine: str, version: str | None = None, own: Iterable[tuple[str, Iterable[Decimal]]] = ()
) -> Pairs[str, Boundaries]:
    """Every signal by its name, as pages of an engine tell it.

    Args:
        engine: one of `names`.
        version: of the engine; None: unknown, so the newest way to tell a signal counts.
        own: boundaries by signal, in base units, that the engine was started with instead of its usual ones.

    Raises:
        KeyError: there is no mapping of the engine.
        FleetError: its mapping says something that cannot be right.
    """
    from inferometer.fleet.engines import bounds  # noqa: PLC0415 - see above

    return bounds.of(load(engine), version, own)
