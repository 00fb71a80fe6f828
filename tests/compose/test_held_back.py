"""Alerts that Alertmanager holds back, as it lists them."""

from inferometer_compose.demo.held_back import HeldBackLine, held_back


def alert(name, fingerprint, *, by=(), **labels):
    """An element of Alertmanager's ``/api/v2/alerts``."""
    return {
        "fingerprint": fingerprint,
        "startsAt": "2026-11-23T08:00:00.500Z",
        "labels": {"alertname": name, "service": "embedder", "model": "minilm", "slo_tier": "slow", **labels},
        "status": {"state": "suppressed" if by else "active", "inhibitedBy": list(by), "silencedBy": [], "mutedBy": []},
    }


def test_an_alert_that_another_one_holds_back_is_told_with_its_cause():
    known = [alert("Page", "1"), alert("Ticket", "2", by=["1"])]

    (((fingerprint, start), found),) = held_back(known)

    assert (fingerprint, start) == ("2", "2026-11-23T08:00:00.500Z")
    assert (found.name, found.tier, found.about, found.cause) == ("Ticket", "slow", "embedder minilm", "Page")
    assert found.fired_at == 1795420800.5


def test_a_cause_that_is_gone_has_no_name():
    ((_, found),) = held_back([alert("Ticket", "2", by=["1"])])

    assert found.cause == ""


def test_without_an_alertmanager_nothing_is_asked():
    line = HeldBackLine(None)
    line.end()

    assert line.alerts(since=0.0) == ()
