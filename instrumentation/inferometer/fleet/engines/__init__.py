"""Mappings of engines: which series of a foreign model server's page is which signal of ours, and how good it is.

    names() -> ("bentoml", …, "vllm")
    load("vllm") -> Mapping
    boundaries("vllm", "0.32") -> {signal name: Boundaries(quality, reason, le, flag)}

The files beside this module are the mappings; docs/engines.md describes their format.
"""

from inferometer.fleet.engines.boundaries import Boundaries, boundaries
from inferometer.fleet.engines.kinds import Quality
from inferometer.fleet.engines.loader import every, load, loads, names
from inferometer.fleet.engines.model import Mapping

__all__ = ["Boundaries", "Mapping", "Quality", "boundaries", "every", "load", "loads", "names"]
