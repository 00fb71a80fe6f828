"""Everything that the doctor looks at, gathered once; what a person should mend are its findings."""

import os
import platform
import site
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Final

from inferometer import switch
from inferometer.doctor import application, destination, hooks
from inferometer.doctor.application import Application
from inferometer.doctor.destination import Destination
from inferometer.doctor.hooks import ABSENT, BROKEN, HookFound
from inferometer.hooks.registry import HOOKS
from inferometer.otlp.endpoint import Endpoint
from inferometer.recorder.this_process import worker
from inferometer.settings import VARIABLES, Policy, Settings
from inferometer.settings_table import shown
from inferometer.version import VERSION

_PTH: Final = "inferometer.pth"
_PREFIX: Final = "INFEROMETER_"
_API: Final = "opentelemetry.trace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A setting in force."""

    name: str
    variable: str
    value: str
    source: str
    """``variable`` or ``default``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """How inferometer is in this process."""

    version: str = VERSION
    python: str = field(default_factory=platform.python_version)
    interpreter: str = sys.executable
    switched_on: str
    """By what; empty where it is not."""
    switched_off: bool
    """Whether INFEROMETER_ENABLED=0 says so."""
    application: Application | None
    hooks: Sequence[HookFound]
    destination: Destination
    traces: str
    """Whose the spans of requests are, for a person."""
    settings: Sequence[Setting]
    findings: Sequence[str]
    """What somebody should mend; empty where all is fine."""


def examine(app: str = "", *, environ: Mapping[str, str] = os.environ) -> Examination:
    """Look at this process, after importing the application where one is named.

    What is not switched on is switched on for the look.

    Args:
        app: ``module:attribute``, as for uvicorn.
        environ: the environment; that of this process is what the hooks go by.

    Raises:
        InferometerError: *app* is no such name.
    """
    found = application.look(app) if app else None
    here = worker()
    by = _switched_on(here.settings, already=bool(here.hooks.statuses()))
    if here.settings.enabled is not False:
        switch.on()
    settings, wrong = Settings.read(environ)
    endpoint, wrong_of_traces = Endpoint.read(environ)
    there = hooks.look(HOOKS, here.hooks)
    target = destination.look(settings)
    findings = [
        *_of_switch(by, here.settings, found),
        *(found.problems if found else []),
        *(f"hook {one.hook} is {one.status}: {one.reason}" for one in there if one.status in BROKEN),
        *_of_libraries(there),
        *target.problems,
        *(f"{line}; the default is used" for line in wrong),
        *(f"{line}; {'the default is used' if endpoint else 'no trace is exported'}" for line in wrong_of_traces),
        *_unknown(environ),
    ]
    return Examination(
        switched_on=by,
        switched_off=here.settings.enabled is False,
        application=found,
        hooks=there,
        destination=target,
        traces=_traces(settings, target, endpoint),
        settings=_in_force(settings, environ, wrong),
        findings=findings,
    )


def _switched_on(settings: Settings, *, already: bool) -> str:
    if settings.enabled is False:
        return ""
    if settings.enabled:
        return "INFEROMETER_ENABLED=1"
    return "import inferometer.auto in the application" if already else ""


def _of_switch(by: str, settings: Settings, app: Application | None) -> list[str]:
    if settings.enabled is False:
        return ["INFEROMETER_ENABLED=0 switches recording off, whatever the code says"]
    if settings.enabled and not _has_pth():
        return [f"{_PTH} is not in this Python's site-packages: INFEROMETER_ENABLED=1 does nothing here; install again"]
    if not by and app is not None and app.found:
        why = "it has no `import inferometer.auto`, and INFEROMETER_ENABLED is not set; `inferometer run` sets it"
        return [f"{app.name} is not recorded: {why}"]
    return []


def _has_pth() -> bool:
    return any((Path(folder) / _PTH).is_file() for folder in [*site.getsitepackages(), site.getusersitepackages()])


def _of_libraries(found: Sequence[HookFound]) -> list[str]:
    if any(one.status != ABSENT for one in found if one.library_version):
        return []
    return ["no library is installed here that inferometer hooks: is this the Python of the application?"]


def _unknown(environ: Mapping[str, str]) -> list[str]:
    known = set(VARIABLES.values())
    return [
        f"{name} is no setting of a worker of inferometer {VERSION}: here it does nothing"
        for name in sorted(environ)
        if name.startswith(_PREFIX) and name not in known
    ]


def _in_force(settings: Settings, environ: Mapping[str, str], wrong: Sequence[str]) -> list[Setting]:
    refused = {line.partition("=")[0] for line in wrong}
    return [
        Setting(
            name=one.name,
            variable=variable,
            value=shown(getattr(settings, one.name)),
            source="variable" if environ.get(variable, "").strip() and variable not in refused else "default",
        )
        for one in fields(Settings)
        if (variable := VARIABLES.get(one.name, ""))
    ]


def _traces(settings: Settings, target: Destination, endpoint: Endpoint | None) -> str:
    wanted = settings.traces
    provider = _provider()
    why = "INFEROMETER_TRACES" if wanted is not None else f"this process has {provider or 'no TracerProvider'}"
    if wanted is Policy.OFF:
        return f"off ({why}): no spans from inferometer"
    if wanted is Policy.AUGMENT or (wanted is None and provider):
        return f"augment ({why}): stages become children of OpenTelemetry's SERVER span"
    if target.kind == "sidecar":
        return f"own ({why}): kept traces go where the sidecar sends them, its option --otlp"
    where = f"to {endpoint.url}" if endpoint else "nowhere: OTEL_EXPORTER_OTLP_ENDPOINT is not set"
    return f"own ({why}): kept traces go {where}"


def _provider() -> str:
    """The class of OpenTelemetry's global TracerProvider, where one is set."""
    api = sys.modules.get(_API)
    if api is None:
        return ""
    cls = type(api.get_tracer_provider())
    return "" if cls.__module__ == _API else f"{cls.__module__}.{cls.__qualname__}"
