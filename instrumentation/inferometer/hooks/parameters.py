"""Wrappers that have the parameters of the function that they stand for.

One of ``*args, **kwargs`` makes a tuple and a dictionary of each call and takes them apart again, which costs a request
more than what the wrapper is there for. One with the same parameters is as quick as if it were written by hand.
"""

from collections.abc import Callable
from inspect import Parameter, Signature, signature
from textwrap import indent
from types import FunctionType
from typing import Any, Final

_OURS: Final = "our_"
_ANY: Final = "*args, **kwargs"
_SOURCE: Final = """\
def our_make({given}):
    def our_wrapper({parameters}):
{body}
        return our_original({arguments})
    return our_wrapper
"""
_HANDED_ON: Final = {
    Parameter.POSITIONAL_ONLY: "{0}",
    Parameter.POSITIONAL_OR_KEYWORD: "{0}",
    Parameter.VAR_POSITIONAL: "*{0}",
    Parameter.KEYWORD_ONLY: "{0}={0}",
    Parameter.VAR_KEYWORD: "**{0}",
}


def before(original: Callable[..., Any], body: str, module: dict[str, Any], **own: object) -> Callable[..., Any]:
    """A function that runs *body* and then is *original*, whose parameters it has.

    Args:
        original: that it stands for.
        body: statements; their own variables begin with ``our_``.
        module: globals of the module that *body* is a part of.
        own: what else it uses, by names that begin so, too.
    """
    exact = isinstance(original, FunctionType) and not any(map(_is_ours, original.__code__.co_varnames))
    parameters, arguments = _written(original) if exact else (_ANY, _ANY)
    source = _SOURCE.format(
        given=", ".join(("our_original", *own)),
        parameters=parameters,
        arguments=arguments,
        body=indent(body.strip(), " " * 8),
    )
    made: dict[str, Any] = {}
    # It is put together of *body* and of names that Python has taken for parameters already.
    exec(source, module, made)  # noqa: S102 - see above
    wrapper: FunctionType = made["our_make"](original, **own)
    if isinstance(original, FunctionType) and exact:
        wrapper.__defaults__, wrapper.__kwdefaults__ = original.__defaults__, original.__kwdefaults__
    return wrapper


def _is_ours(name: str) -> bool:
    return name.startswith(_OURS)


def _written(original: Callable[..., Any]) -> tuple[str, str]:
    """(its parameters, the arguments that hand them on), as source; defaults are only marked."""
    plain = [
        Parameter(one.name, one.kind, default=one.empty if one.default is one.empty else None)
        for one in signature(original, follow_wrapped=False).parameters.values()
    ]
    parameters = str(Signature(plain)).removeprefix("(").removesuffix(")")
    return parameters, ", ".join([_HANDED_ON[one.kind].format(one.name) for one in plain])
