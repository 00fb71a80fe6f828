"""The user's application: imported as a server would, and looked at."""

import contextlib
import importlib
import inspect
import sys
import traceback
from dataclasses import dataclass, field

from inferometer.errors import InferometerError
from inferometer.recorder.asgi import asgi


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What was imported."""

    name: str
    """``module:attribute``."""
    says: str
    problems: list[str] = field(default_factory=list)
    found: bool = True
    """Whether it was imported."""


def look(name: str) -> Application:
    """Import an application; what it prints goes to standard error.

    Raises:
        InferometerError: the name is none.
    """
    module_name, colon, attribute = name.partition(":")
    if not module_name or (colon and not attribute):
        raise InferometerError(f"{name!r} is no application: module:attribute is right, as for uvicorn")
    try:
        with contextlib.redirect_stdout(sys.stderr):
            found: object = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever their code raises is what we report
        return Application(name=name, says="cannot be imported", problems=[f"{name}: {_where(error)}"], found=False)
    if not attribute:
        return Application(name=name, says="imported")
    for part in attribute.removesuffix("()").split("."):
        if not hasattr(found, part):
            return Application(name=name, says="imported", problems=[f"{name}: {module_name} has no {part}"])
        found = getattr(found, part)
    return Application(name=name, says=f"imported, {_kind(found)}", problems=_unhooked(name, found))


def _where(error: BaseException) -> str:
    # The frames of the import system, which Python hides from people, too, say nothing of their code; nor do ours.
    frames = [
        one
        for one in traceback.extract_tb(error.__traceback__)
        if not one.filename.startswith("<frozen ") and one.filename not in {__file__, importlib.__file__}
    ]
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {error}{place}"


def _kind(found: object) -> str:
    return f"a {type(found).__module__.partition('.')[0]}.{type(found).__name__}"


def _unhooked(name: str, found: object) -> list[str]:
    """A plain ASGI application is reached by no hook of a framework."""
    if not inspect.iscoroutinefunction(found) or found.__module__ == asgi.__module__:
        return []
    return [f"{name} is a plain ASGI application: no framework to hook; wrap it: app = inferometer.asgi(app)"]
