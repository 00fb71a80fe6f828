"""What a request calls itself is text, on every view; nobody else's page may ask, and large answers stay small here."""

import re

import pytest
from playwright.sync_api import expect

from inferometer.access import Access, Token
from inferometer.catalog.stages import Kind, Stage

pytestmark = pytest.mark.slow
EVIL = '<img src=x onerror="window.pwned=1"><script>window.pwned=2</script>'
NAMES = (
    EVIL,
    "';drop table requests;--",
    "javascript:window.pwned=3",
    "\N{RIGHT-TO-LEFT OVERRIDE}evil \N{PILE OF POO}",
    "a&model=other#x%2F?",
    '=HYPERLINK("http://x")',
    "x" * 500,
)


@pytest.fixture
def evil(served):
    """A model of each of these names, a hop of one calling another."""
    shapes = {100 + index: (name, name, name[:60], "", "acme", "", "POST", name) for index, name in enumerate(NAMES)}
    traces, rows = [], []
    for shape in shapes:
        row, trace = served.request(20, shape=shape)
        rows.append(row)
        traces.append(trace)
    served.record(*rows, shapes=shapes)
    served.traces = traces
    return served


@pytest.mark.parametrize("view", ["/", "/model", "/requests", "/slo", "/cost", "/compare", "trace"])
def test_no_name_runs(evil, tab, view):
    for path in [f"/trace/{trace}" for trace in evil.traces[:3]] if view == "trace" else [view]:
        page = tab(evil.url + path)
        page.wait_for_selector("body[data-shown]")

        assert page.evaluate("window.pwned") is None
        assert not page.locator("main script, main img, main iframe").count()
        for href in page.locator("main a").evaluate_all("all => all.map(one => one.protocol)"):
            assert href == "http:"


def test_a_name_with_every_special_character_leads_to_its_own_model(evil, tab):
    page = tab(evil.url)
    page.wait_for_selector("body[data-shown]")
    for name in (EVIL, NAMES[4]):
        page.goto(evil.url)
        page.get_by_role("link", name=name, exact=True).first.click()
        expect(page.get_by_role("combobox", name="Model", exact=True)).to_have_value(name)


def test_a_spreadsheet_gets_no_formula(evil, tab):
    page = tab(f"{evil.url}/requests")
    page.wait_for_selector("body[data-shown]")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()

    text = download.value.path().read_text()
    assert "'=HYPERLINK" in text
    assert not re.search(r"(^|,)\"?=", text, re.MULTILINE)


def test_a_page_of_another_site_gets_nothing(evil, tab):
    page = tab("about:blank", expected=("CORS", "ERR_FAILED", "403", "blocked"))
    found = page.evaluate("url => fetch(url).then(() => 'answered', () => 'refused')", f"{evil.url}/api/summary")

    assert found == "refused"


def test_inline_script_is_refused_by_the_browser(evil, tab):
    page = tab(
        evil.url, expected=("Content Security Policy", "TrustedHTML", "TrustedScript", "Trusted Type", "trusted")
    )
    page.wait_for_selector("body[data-shown]")
    found = page.evaluate(
        """() => {
            const script = document.createElement('script');
            try { script.textContent = 'window.pwned = 4'; document.body.append(script); } catch { /* right */ }
            const markup = '<img src=x onerror="window.pwned=5">';
            try { document.body.insertAdjacentHTML('beforeend', markup); } catch { return 'thrown'; }
            return 'taken';
        }"""
    )

    assert found == "thrown"
    assert page.evaluate("window.pwned") is None


def test_a_sidecar_with_a_token_asks_for_it(bench, make, served, tab):
    served.server.close()
    served.access, served.port = Access(token=Token("s3cret" * 4)), 0
    served.start()
    row, _ = served.request(20)
    served.record(row)
    page = tab(served.url, expected=("401 (Unauthorized)",))
    field = page.get_by_label("Token", exact=True).last
    expect(field).to_be_visible()
    field.fill("wrong" * 5)
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("heading", name=re.compile("asks for its token"))).to_be_visible()
    page.get_by_label("Token", exact=True).last.fill("s3cret" * 4)
    page.get_by_role("button", name="Open").click()

    expect(page.get_by_role("link", name="minilm", exact=True).first).to_be_visible()
    expect(page.locator("#live")).to_have_text("live")


def test_a_stream_of_ten_thousand_chunks_is_one_short_waterfall(served, tab, make):
    begin = served.bench.clock.now
    row, trace = served.request(
        60_000, chunks=10_000, first_chunk=begin + 900 * make.MS, first_token=begin + 900 * make.MS,
        last_token=begin + 59_900 * make.MS, tokens_in=900, tokens_out=9_990,
    )  # fmt: skip
    span = int(trace[-16:], 16)
    # A slow reader: as many waits as a worker keeps of one request.
    waits = [
        make.interval(span, begin + n * 200 * make.MS, begin + (n * 200 + 60) * make.MS, Stage.NETWORK, Kind.SEND)
        for n in range(5, 261)
    ]
    served.record(row, intervals=waits, seconds=61)
    page = tab(f"{served.url}/trace/{trace}")
    page.wait_for_selector("[role=treeitem]")

    assert page.locator("[role=treeitem]").count() < 40
    expect(page.locator(".details")).to_contain_text("9,990 out")
    page.goto(f"{served.url}/model?service=embedder&model=minilm&since_seconds=900")
    expect(page.locator("[data-panel=time-per-output-token] .legend")).to_contain_text("ms")


def test_a_trace_of_two_thousand_hops_is_drawn_a_screen_at_a_time(served, tab, make):
    now, root = served.bench.clock.now, 50_000
    rows = [make.request(root, now, now + 900 * make.MS, shape=1, trace=99)]
    calls = []
    for number in range(2_000):
        begin = now + (100 + number // 5) * make.MS
        calls.append(make.call(root, 60_000 + number, begin, begin + make.MS))
        rows.append(make.request(70_000 + number, begin, begin + make.MS, parent_id=60_000 + number, flags=0, trace=99))
    served.record(*rows, calls=calls)
    page = tab(f"{served.url}/trace/{0xABC << 64 | 99:032x}")
    page.wait_for_selector("[role=treeitem]")

    assert page.locator("[role=treeitem]").count() < 80
    size = int(page.locator("[role=treeitem]").first.get_attribute("aria-setsize"))
    assert size > 2_000
    tree = page.get_by_role("tree", name="Waterfall")
    tree.focus()
    page.keyboard.press("End")
    expect(page.locator(f"[role=treeitem][aria-posinset='{size}']")).to_be_visible()
