"""The hooks, with the library that each waits for."""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from typing import Final

from inferometer.hooks.registry import Hook
from inferometer.recorder.hook_states import FAILED, OFF, UNSUPPORTED, HookStates

ABSENT: Final = "absent"
"""The library is not installed."""
NEVER: Final = "never"
"""The library is there, and we have no hook for it."""
BROKEN: Final = frozenset({FAILED, UNSUPPORTED})
_STANDARD: Final = "the standard library"
_KERAS: Final = "keras"
_OLD_KERAS: Final = re.compile(r"[01]\.|2\.(\d|1[0-2])\.")
# What is hooked has another place there; silence would look like a fault of ours.
_NO_OLD_KERAS: Final = 'it is older than 2.13; mark its calls with inferometer.stage("execute")'


@dataclass(frozen=True, slots=True, kw_only=True)
class HookFound:
    """A hook and how it is."""

    hook: str
    library: str
    """The distribution whose module it waits for."""
    library_version: str
    """Empty where it is not installed, or part of Python."""
    status: str
    """A status of ``catalog.labels.HOOK_STATUS``, `ABSENT` or `NEVER`."""
    reason: str
    """Why, where something is wrong."""


def look(hooks: Sequence[Hook], states: HookStates) -> list[HookFound]:
    """How each hook is. Imports no library."""
    return [_found(hook, states) for hook in hooks]


def _found(hook: Hook, states: HookStates) -> HookFound:
    package = hook.target.partition(".")[0]
    there = find_spec(package) is not None
    library, version = _distribution(package)
    status = states.status_of(hook.name) or OFF
    if package == _KERAS and _OLD_KERAS.match(version):
        # What the hook waits for is never imported there.
        return HookFound(hook=hook.name, library=library, library_version=version, status=NEVER, reason=_NO_OLD_KERAS)
    return HookFound(
        hook=hook.name,
        library=library,
        library_version=version,
        status=status if there or status in BROKEN else ABSENT,
        reason=states.reason_of(hook.name),
    )


def _distribution(package: str) -> tuple[str, str]:
    """Name and version of what installed a package."""
    if package in sys.stdlib_module_names:
        return _STANDARD, ""
    providers = _providers().get(package, ())
    # A package that many install parts of is named by its own name, with the version of its core.
    for name in (package, *providers) if len(providers) == 1 else (package, f"{package}-api"):
        try:
            return (name if len(providers) == 1 else package), metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return package, ""


@cache
def _providers() -> Mapping[str, Sequence[str]]:
    return metadata.packages_distributions()
