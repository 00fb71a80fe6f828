"""Which installed libraries have a hook, for the line that says that the sidecar is up."""

import shutil
import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path

from inferometer.hooks.registry import HOOKS


def libraries(program: str, environment: Mapping[str, str]) -> list[str]:
    """Packages that a command of this environment may import and that have hooks, in the order of the hooks.

    Args:
        program: the command's first word.
        environment: its variables, of which `PATH` says where it is.

    Returns:
        None of them where the program is not beside this Python: what its own has is not known here.
    """
    found = shutil.which(program, path=environment.get("PATH"))
    if found is None or Path(found).absolute().parent != Path(sys.executable).absolute().parent:
        return []
    return [name for name in _hooked(hook.target for hook in HOOKS) if find_spec(name) is not None]


def _hooked(modules: Iterable[str]) -> Iterable[str]:
    """Each library once: no parts of Python, and none that are another's inside."""
    names = dict.fromkeys(module.partition(".")[0] for module in modules)
    return (name for name in names if name not in sys.stdlib_module_names and not name.startswith("_"))
