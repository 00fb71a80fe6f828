"""A wrapper has the parameters of the function that it stands for, whatever they are, and runs what is ours before."""

import inspect
import math

import pytest

from inferometer.hooks.parameters import before

SEEN: list[object] = []
BODY = "SEEN.append(our_note)"
MISSING = object()


def plain(first, second=MISSING, /, third=3, *rest, fourth, fifth=MISSING, **others):
    return first, second, third, rest, fourth, fifth, others


def only_by_name(*, request, _private=MISSING):
    return request, _private


def anything(*args, **kwargs):
    return args, kwargs


async def coroutine(value):
    return value


def of_our_names(our_note):
    return our_note


CALLS = [
    (plain, (1,), {"fourth": 4}),
    (plain, (1, 2, 33, 5, 6), {"fourth": 4, "fifth": 5, "more": 7, "first": 8}),
    (only_by_name, (), {"request": 1}),
    (only_by_name, (), {"request": 1, "_private": 2}),
    (anything, (1, 2), {"three": 3}),
    (anything, (), {}),
    (of_our_names, (1,), {}),
    (of_our_names, (), {"our_note": 1}),
    (math.hypot, (3.0, 4.0), {}),
    (print, (), {"end": "", "sep": ""}),
]


@pytest.fixture(autouse=True)
def _nothing_seen():
    SEEN.clear()


@pytest.mark.parametrize(("original", "arguments", "named"), CALLS)
def test_it_gives_what_the_original_gives(original, arguments, named):
    wrapper = before(original, BODY, globals(), our_note="ours")

    assert wrapper(*arguments, **named) == original(*arguments, **named)
    assert SEEN == ["ours"]


@pytest.mark.parametrize(("arguments", "named"), [((), {}), ((1, 2), {"request": 1}), ((), {"request": 1, "other": 2})])
def test_it_refuses_what_the_original_refuses(arguments, named):
    with pytest.raises(TypeError):
        before(only_by_name, BODY, globals(), our_note=1)(*arguments, **named)
    assert SEEN == []


def test_it_takes_as_many_positional_arguments_as_the_original():
    wrapper = before(plain, BODY, globals(), our_note=1)

    assert [(one.name, one.kind) for one in inspect.signature(wrapper).parameters.values()] == [
        (one.name, one.kind) for one in inspect.signature(plain).parameters.values()
    ]
    assert inspect.signature(wrapper).parameters["second"].default is MISSING


def test_the_coroutine_is_the_originals_own():
    made = before(coroutine, BODY, globals(), our_note=1)(7)

    assert made.cr_code is coroutine.__code__
    made.close()


def test_a_function_that_was_wrapped_with_other_parameters_is_called_by_those_that_it_has():
    def wrapped(*args, **kwargs):
        return only_by_name(*args, **kwargs)

    wrapped.__wrapped__ = plain

    assert before(wrapped, BODY, globals(), our_note=1)(request=5) == (5, MISSING)
