"""Makes what BREAK names raise: ``module:name`` of ours, separated by commas."""

import importlib
import os


def broken(*_args, **_kwargs):
    """What a defect of ours would do."""
    raise RuntimeError("ours")


for place in filter(None, os.environ.get("BREAK", "").split(",")):
    module, _, name = place.partition(":")
    setattr(importlib.import_module(module), name, broken)
