"""A client goes on as ever where a hook fails or does not fit, and its user's own tracing hears as much."""

import aiohttp
import httpx
import pytest
from calling_requests import within_a_request
from http_clients import opened
from scripted_origin import says

from inferometer.hooks import aiohttp as aiohttp_hook
from inferometer.hooks import urllib3 as urllib3_hook
from inferometer.hooks.patching import UnsupportedError
from inferometer.recorder import propagation


def test_a_failure_of_ours_leaves_the_call_alone_and_takes_the_hook_out(worker, client, origin, monkeypatch, caplog):
    monkeypatch.setattr(propagation, "attempt", lambda *_: 1 / 0)

    async def act():
        async with opened(client) as made:
            assert await made.get(origin.answers(says(), says())) == (200, b"x")
            assert await made.get(origin.url) == (200, b"x")

    record = within_a_request(worker, act)

    assert record.calls == ()
    assert worker.hooks.errors() == {client.hook: 1}
    assert worker.hooks.statuses()[client.hook] == "failed"
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("hook", "names"),
    [
        (urllib3_hook, {"HTTPConnectionPool": type("HTTPConnectionPool", (), {})}),
        (aiohttp_hook, {name: type(name, (), {}) for name in ("BaseConnector", "ClientRequest", "ClientResponse")}),
    ],
    ids=["urllib3", "aiohttp"],
)
def test_another_version_is_unsupported_and_untouched(hooked, hook, names):
    other = type(httpx)("other")
    vars(other).update(names)

    with pytest.raises(UnsupportedError, match="has no"):
        hook.install(hooked, other, "other")


def test_a_users_own_tracing_of_aiohttp_hears_what_it_heard_before(worker, origin):
    heard = []
    config = aiohttp.TraceConfig()

    async def created(session, context, parameters):
        heard.append("created")

    async def ended(session, context, parameters):
        heard.append("ended")

    config.on_connection_create_end.append(created)
    config.on_request_end.append(ended)

    async def act():
        async with aiohttp.ClientSession(trace_configs=[config]) as session, session.get(origin.answers(says())):
            pass

    record = within_a_request(worker, act)

    assert heard == ["created", "ended"]
    assert record.calls[0].status == 200
