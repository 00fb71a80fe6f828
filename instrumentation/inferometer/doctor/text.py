"""An examination as a person reads it: good news short, bad news with its cure, nothing to look up."""

from collections.abc import Iterator, Sequence

from inferometer.doctor.examination import Examination, Setting
from inferometer.doctor.hooks import ABSENT, BROKEN, NEVER, HookFound
from inferometer.recorder.hook_states import ACTIVE, OFF, WAITING

_SAYS = {ACTIVE: "hooked", WAITING: "hooked when it is imported", OFF: "off"}


def lines(seen: Examination) -> Iterator[str]:
    """The lines of the whole text."""
    yield f"inferometer {seen.version}, Python {seen.python}, {seen.interpreter}"
    yield ""
    yield f"  {_switch(seen)}"
    if seen.application is not None:
        yield f"  {_sign(seen.application.problems)} {seen.application.name} {seen.application.says}"
    yield from ("", "Hooks", *_hooks(seen.hooks))
    yield from ("", "Where records go", f"  {_sign(seen.destination.problems)} {seen.destination.says}")
    yield from ("", "Whose the spans are", f"  ✓ {seen.traces}")
    yield from ("", "Settings", *_settings(seen.settings))
    yield from ("", *_findings(seen))


def _sign(problems: Sequence[str]) -> str:
    return "✗" if problems else "✓"


def _switch(seen: Examination) -> str:
    if seen.switched_on:
        return f"✓ switched on by {seen.switched_on}"
    if seen.switched_off or seen.application is not None:
        return "✗ not switched on"
    return "· not switched on yet: by `import inferometer.auto` in the application, or INFEROMETER_ENABLED=1"


def _hooks(found: Sequence[HookFound]) -> Iterator[str]:
    there = [one for one in found if one.status != ABSENT]
    names = {one.hook: f"{one.library} {one.library_version}".strip() for one in there}
    width = max(map(len, names.values()), default=0)
    for name in dict.fromkeys(names.values()):
        mine = [one for one in there if names[one.hook] == name]
        said = [
            f"{says}: {', '.join(one.hook for one in mine if one.status == status)}"
            for status, says in _SAYS.items()
            if any(one.status == status for one in mine)
        ]
        if said:
            sign = "✓" if any(one.status == ACTIVE for one in mine) else "·"
            yield f"  {sign} {name:<{width}}  {'; '.join(said)}"
        for why in dict.fromkeys(one.reason for one in mine if one.status == NEVER):
            yield f"  · {name:<{width}}  not hooked: {why}"
        for one in mine:
            if one.status in BROKEN:
                yield f"  ✗ {name:<{width}}  {one.hook} is {one.status}: {one.reason}"
    # A package with an underscore in front is a part of one without.
    absent = dict.fromkeys(one.library for one in found if one.status == ABSENT and not one.library.startswith("_"))
    if absent:
        yield f"  - not installed: {', '.join(absent)}"


def _settings(settings: Sequence[Setting]) -> Iterator[str]:
    width = max(len(setting.variable) for setting in settings)
    for setting in settings:
        default = "  (default)" if setting.source == "default" and setting.value else ""
        yield f"    {setting.variable:<{width}}  {setting.value or 'not set'}{default}"


def _findings(seen: Examination) -> Iterator[str]:
    if not seen.findings:
        yield "Nothing to mend."
        if seen.application is None:
            yield "To see it with your application: python -m inferometer --app module:app"
        return
    yield "To mend"
    for finding in seen.findings:
        yield f"  ✗ {finding}"
