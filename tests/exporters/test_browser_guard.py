"""Who may ask from a browser: pages of other sites reach 127.0.0.1 as well."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from inferometer.access import OPEN, Access, Token
from inferometer_exporters.browser_guard import ELSEWHERE, FOREIGN, Browsers
from inferometer_exporters.tally import Tally
from inferometer_exporters.web_guard import guard

LOOPBACK, ANYWHERE = Browsers(host="127.0.0.1"), Browsers(host="0.0.0.0")  # noqa: S104 - a rule is tested, not listened on


def headers(**named):
    return [(name.replace("_", "-").encode(), value.encode()) for name, value in named.items()]


@pytest.mark.parametrize("host", ["127.0.0.1:9465", "localhost:9465", "[::1]:9465", "127.0.0.1", "LOCALHOST"])
def test_names_of_this_host_are_answered(host):
    assert not LOOPBACK.refusal(headers(host=host))
    assert not ANYWHERE.refusal(headers(host=host))


@pytest.mark.parametrize("host", ["evil.example:9465", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1"])
def test_a_name_that_somebody_points_at_loopback_is_refused(host):
    assert LOOPBACK.refusal(headers(host=host)) == FOREIGN


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("sidecar:9465", True),
        ("10.0.0.7:9465", True),
        ("box.local", True),
        ("sidecar.inference.svc.cluster.local:9465", True),
        ("sidecar.inference.svc.example.org", True),
        ("evil.example", False),
    ],
)
def test_behind_an_open_address_only_names_that_nobody_can_register_are_answered(host, own):
    assert (ANYWHERE.refusal(headers(host=host)) == "") is own


def test_with_a_token_the_name_does_not_matter():
    assert not Browsers(host="0.0.0.0", has_token=True).refusal(headers(host="metrics.example.org"))  # noqa: S104 - as above


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"origin": "http://127.0.0.1:9465"}, ""),
        ({"origin": "http://evil.example"}, ELSEWHERE),
        ({"origin": "http://127.0.0.1:8000"}, ELSEWHERE),
        ({"origin": "null"}, ELSEWHERE),
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors"}, ELSEWHERE),
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}, ""),
        ({"sec_fetch_site": "same-origin", "sec_fetch_mode": "cors"}, ""),
    ],
)
def test_pages_of_other_sites_may_link_to_us_and_no_more(more, why):
    assert LOOPBACK.refusal(headers(host="127.0.0.1:9465", **more)) == why


@given(host=st.text(st.characters(max_codepoint=255), max_size=40))
def test_whatever_stands_in_host_is_judged(host):
    found = LOOPBACK.refusal([(b"host", host.encode("latin-1"))])

    assert found in {"", FOREIGN}


async def hello(_):
    return PlainTextResponse("hello")


def client(access, **more):
    app = Starlette(routes=[Route("/{path:path}", hello)])
    tally = Tally()
    browsers = Browsers(host="127.0.0.1", has_token=access.token is not None, is_open=lambda path: path == "/")
    guarded = guard(app, access, tally, "api", browsers=browsers)
    return TestClient(guarded, base_url=more.get("base_url", "http://127.0.0.1")), tally


def test_a_foreign_name_gets_no_answer_and_is_counted():
    asked, tally = client(OPEN, base_url="http://evil.example")

    assert asked.get("/").status_code == 403
    assert [labels for _, labels in tally._counts] == [("api", "foreign")]


def test_what_holds_no_data_is_open_and_the_rest_asks_for_the_token():
    asked, _ = client(Access(token=Token("a" * 20)))

    assert asked.get("/").status_code == 200
    assert asked.get("/api/summary").status_code == 401
    assert asked.get("/api/summary", headers={"authorization": "Bearer " + "a" * 20}).status_code == 200
