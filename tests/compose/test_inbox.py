"""The alert receiver keeps what came, and when."""

import http.client
import json
import threading
from contextlib import contextmanager

import pytest

from inferometer_compose.demo.stories import firing, stories
from inferometer_compose.stack.inbox import MAX_ALERTS, Inbox, serve
from inferometer_compose.web import AnswerError, fetch, get_json

START = "2026-11-22T10:00:27.5Z"
START_SECONDS = 1795341627.5


def message(status="firing", fingerprint="f1", start=START, name="ErrorBudgetBurn"):
    labels = {"alertname": name, "severity": "page", "slo_tier": "fast", "slo": "gateway-search-available"}
    alert = {
        "status": status, "labels": labels, "annotations": {"summary": "it burns"},
        "startsAt": start, "endsAt": "0001-01-01T00:00:00Z", "fingerprint": fingerprint,
    }  # fmt: skip
    return {"version": "4", "status": status, "alerts": [alert]}


@contextmanager
def serving(inbox):
    server = serve(inbox, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_an_alert_is_received_once_and_resolved_later():
    clock = iter([START_SECONDS + 1, START_SECONDS + 5, START_SECONDS + 25])
    inbox = Inbox(now=lambda: next(clock))

    for status in ("firing", "firing", "resolved"):
        inbox.receive(message(status))

    (alert,) = inbox.alerts()
    assert (alert.fired_at, alert.received_at) == (START_SECONDS, START_SECONDS + 1)
    assert alert.resolved_at == START_SECONDS + 25
    assert alert.summary == "it burns"


def test_an_alert_that_fires_again_is_another_one():
    inbox = Inbox()

    inbox.receive(message("resolved"))
    inbox.receive(message("firing", start="2026-11-22T10:05:00Z"))

    assert [alert.resolved_at is None for alert in inbox.alerts()] == [False, True]


def test_the_oldest_alerts_make_room():
    inbox = Inbox()
    for number in range(MAX_ALERTS + 10):
        inbox.receive(message(fingerprint=str(number)))

    assert len(inbox.alerts()) == MAX_ALERTS


@pytest.mark.parametrize("wrong", [None, [], {}, {"alerts": [{}]}, {"alerts": "no"}])
def test_what_is_no_message_is_an_error(wrong):
    with pytest.raises(ValueError, match="not a message of Alertmanager"):
        Inbox().receive(wrong)


def test_messages_come_by_http_on_any_path_and_are_listed():
    with serving(Inbox(now=lambda: START_SECONDS + 2)) as url:
        answer = fetch(f"{url}/page", body=message())

        assert (answer.status, json.loads(answer.body)) == (200, {"received": 1})
        (alert,) = get_json(f"{url}/alerts")
        assert (alert["name"], alert["received_at"]) == ("ErrorBudgetBurn", START_SECONDS + 2)


def test_a_body_that_is_no_json_is_refused_and_the_receiver_goes_on():
    with serving(Inbox()) as url:
        connection = http.client.HTTPConnection(url.removeprefix("http://"))
        connection.request("POST", "/page", b"{nonsense")
        assert connection.getresponse().status == 400
        connection.close()

        assert get_json(f"{url}/healthz") == {"status": "ok"}


def test_nobody_there_is_an_error_of_ours():
    with serving(Inbox()) as url:
        pass
    with pytest.raises(AnswerError, match="does not answer"):
        get_json(f"{url}/alerts")


def test_stories_count_from_the_start_of_the_load():
    clock = iter([START_SECONDS + 1, START_SECONDS + 25])
    inbox = Inbox(now=lambda: next(clock))
    inbox.receive(message())

    (story,) = stories(inbox.alerts(), since=START_SECONDS - 27)
    assert (story.severity, story.tier, story.slo, story.fired_at, story.received_at) == (
        "page",
        "fast",
        "gateway-search-available",
        27,
        28,
    )
    assert firing([story], now=34.0) == (("page", 7.0),)

    inbox.receive(message("resolved"))
    (story,) = stories(inbox.alerts(), since=START_SECONDS - 27)
    assert story.resolved_at == 52
    assert firing([story], now=60.0) == ()
