"""Whoever does not see the page, or not its colours, or has no mouse."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

pytestmark = pytest.mark.slow
VIEWS = ("/", "/model", "/requests", "/slo", "/cost", "/compare")
# The page forbids what axe would do first: it reads styles by itself.
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_breaks_a_rule_of_wcag(busy, tab, scheme):
    row, trace = busy.request(20)
    busy.record(row)
    found = {}
    page = tab(busy.url, scheme=scheme, bypass_csp=True)
    for path in (*VIEWS, f"/trace/{trace}"):
        page.goto(busy.url + path)
        page.wait_for_selector("body[data-shown]")
        page.wait_for_timeout(300)
        for violation in Axe().run(page, options=RULES).response["violations"]:
            found.setdefault(path, []).append((violation["id"], violation["nodes"][0]["html"][:160]))

    assert found == {}


def test_landmarks_headings_tables_and_trees_say_what_they_are(busy, tab):
    row, trace = busy.request(20)
    busy.record(row)
    page = tab(busy.url)
    page.wait_for_selector("body[data-shown]")
    expect(page.get_by_role("banner")).to_be_visible()
    expect(page.get_by_role("navigation", name="Views").get_by_role("link")).to_have_count(6)
    expect(page.get_by_role("main")).to_be_visible()
    expect(page.locator("nav a[aria-current=page]")).to_have_text("Fleet")
    expect(
        page.get_by_role("region", name="Models", exact=True).get_by_role("columnheader", name="p99")
    ).to_be_visible()
    expect(page.get_by_role("img", name="Requests per second: ", exact=False)).to_be_visible()

    page.goto(f"{busy.url}/trace/{trace}")
    item = page.get_by_role("treeitem").first
    expect(item).to_have_attribute("aria-level", "1")
    expect(item).to_have_attribute("aria-expanded", "true")


def test_a_chart_can_be_read_as_a_table(busy, tab):
    page = tab(busy.url)
    page.wait_for_selector("body[data-shown]")
    card = page.locator("[data-panel=tail]")
    card.locator("summary").click()
    card.get_by_role("button", name="As a table").click()

    expect(card.get_by_role("table").get_by_role("columnheader").first).to_have_text("time")


def test_what_waits_is_hatched_besides_its_colour(busy, tab):
    page = tab(f"{busy.url}/requests?service=gateway")
    page.wait_for_selector("body[data-shown]")
    found = page.evaluate(
        """() => {
            const bar = document.querySelector('.shares i') ?? document.body;
            bar.dataset.stage = 'queue';
            return getComputedStyle(bar, '::after').backgroundImage;
        }"""
    )

    assert "repeating-linear-gradient" in found
