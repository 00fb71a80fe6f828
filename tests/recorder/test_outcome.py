"""How a request ended follows from what was raised, answered, or not."""

import asyncio

import pytest

from inferometer.catalog.stages import Outcome
from inferometer.recorder.outcome import of_exception, of_request


class ReadTimeout(Exception):  # noqa: N818 - as theirs
    """As httpx and requests name theirs."""


class ClientDisconnect(Exception):  # noqa: N818 - as theirs
    """As Starlette names its own."""


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (RuntimeError(), Outcome.SERVER_ERROR),
        (TimeoutError(), Outcome.TIMEOUT),
        (ReadTimeout(), Outcome.TIMEOUT),
        (asyncio.CancelledError(), Outcome.CANCELLED),
        (ClientDisconnect(), Outcome.CANCELLED),
        (ExceptionGroup("", [ValueError(), TimeoutError()]), Outcome.TIMEOUT),
        (BaseExceptionGroup("", [asyncio.CancelledError()]), Outcome.CANCELLED),
        (BaseExceptionGroup("", [asyncio.CancelledError(), ValueError()]), Outcome.SERVER_ERROR),
        (KeyboardInterrupt(), Outcome.SERVER_ERROR),
    ],
    ids=repr,
)
def test_outcome_of_what_was_raised(error, outcome):
    assert of_exception(error) is outcome


@pytest.mark.parametrize(
    ("status", "more", "outcome"),
    [
        (200, {}, Outcome.OK),
        (304, {}, Outcome.OK),
        (404, {}, Outcome.CLIENT_ERROR),
        (422, {}, Outcome.CLIENT_ERROR),
        (429, {}, Outcome.REJECTED),
        (499, {}, Outcome.CANCELLED),
        (500, {}, Outcome.SERVER_ERROR),
        (503, {}, Outcome.SERVER_ERROR),
        (503, {"retry_after": True}, Outcome.REJECTED),
        (504, {}, Outcome.TIMEOUT),
        (0, {}, Outcome.SERVER_ERROR),
        (200, {"left": True}, Outcome.CANCELLED),
        (200, {"left": True, "overdue": True}, Outcome.TIMEOUT),
        (400, {"left": True}, Outcome.CANCELLED),
        (500, {"left": True}, Outcome.SERVER_ERROR),
        (0, {"raised": Outcome.CANCELLED}, Outcome.CANCELLED),
        (0, {"raised": Outcome.CANCELLED, "overdue": True}, Outcome.TIMEOUT),
        (500, {"raised": Outcome.TIMEOUT}, Outcome.TIMEOUT),
        (200, {"raised": Outcome.SERVER_ERROR}, Outcome.SERVER_ERROR),
    ],
)
def test_outcome_of_a_request(status, more, outcome):
    facts = {"raised": None, "left": False, "retry_after": False, "overdue": False, **more}

    assert of_request(status, **facts) is outcome
