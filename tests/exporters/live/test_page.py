"""What people do on the live page: look, click, wait for news, share, take along."""

import csv
import io
import json
import re
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow
VIEWS = ("/", "/model", "/requests", "/slo", "/cost", "/compare")
VERSION_TWO = ("embedder", "minilm", "v2", "", "acme", "", "POST", "/embed")


def shown(page):
    page.wait_for_selector("body[data-shown]")
    return page


def test_from_the_fleet_to_a_model_to_a_request_in_three_clicks(busy, tab):
    page = shown(tab(busy.url))
    expect(page.get_by_role("heading", name="Fleet", exact=True)).to_be_visible()
    page.get_by_role("link", name="minilm", exact=True).first.click()
    expect(page.get_by_role("heading", name="Percentiles of the duration")).to_be_visible()
    assert "model=minilm" in page.url
    page.get_by_role("region", name="Slowest requests").get_by_role("link").first.click()
    expect(page.get_by_role("tree", name="Waterfall")).to_be_visible()
    expect(page.get_by_role("treeitem", name=re.compile("execute"))).to_be_visible()

    page.go_back()
    expect(page.get_by_role("heading", name="Percentiles of the duration")).to_be_visible()


def test_a_models_row_has_its_p99_over_time_in_words_and_broken_where_nobody_asked(busy, tab):
    busy.record(seconds=8.0)
    busy.record(busy.request(700)[0])
    page = shown(tab(f"{busy.url}/?since_seconds=60"))
    row = page.locator("[data-panel=models] tbody tr", has=page.get_by_role("link", name="minilm", exact=True))
    spark = row.get_by_role("img", name="p99 over time: ")
    expect(spark).to_have_count(1)
    said = spark.get_attribute("aria-label")

    assert re.fullmatch(r"p99 over time: lowest \S+ ms, highest \S+ ms, (now|last, now no request) \S+ ms", said), said
    assert spark.locator("title").text_content() == said
    assert spark.locator("path").get_attribute("d").count("M") > 1
    assert page.locator("[data-panel=models] svg.spark").count() == 2
    colour = spark.evaluate("(one) => getComputedStyle(one).stroke")
    row.get_by_role("link").click()
    legend = page.locator("[data-panel=percentiles] .legend").get_by_role("button", name=re.compile(r"^p99 "))
    assert legend.locator(".swatch").evaluate("(one) => getComputedStyle(one).backgroundColor") == colour


def test_a_request_appears_by_itself(busy, tab):
    page = shown(tab(f"{busy.url}/requests"))
    before = page.locator("#requests tbody tr").count()
    row, trace = busy.request(33)
    busy.record(row)

    expect(page.locator(f"#requests tbody tr[data-href='/trace/{trace}']")).to_be_visible()
    assert page.locator("#requests tbody tr").count() == before + 1
    expect(page.locator("#live")).to_have_text("live")


def test_a_page_that_is_paused_stays_as_it_is(busy, tab):
    page = shown(tab(f"{busy.url}/requests"))
    page.keyboard.press("p")
    expect(page.locator("#live")).to_have_text("paused")
    row, trace = busy.request(33)
    busy.record(row)
    row, _ = busy.request(34)
    busy.record(row)
    page.wait_for_timeout(1_500)

    assert not page.locator(f"tr[data-href='/trace/{trace}']").count()
    page.get_by_role("button", name="Go on").click()
    expect(page.locator(f"tr[data-href='/trace/{trace}']")).to_be_visible()


def test_a_server_that_comes_back_is_found_again(busy, tab):
    page = shown(tab(f"{busy.url}/requests", expected=("ERR_", "Failed to load")))
    expect(page.locator("#live")).to_have_text("live")
    busy.server.close()
    expect(page.locator("#live")).to_have_text("reconnecting")
    busy.start()
    expect(page.locator("#live")).to_have_text("live")
    row, trace = busy.request(33)
    busy.record(row)

    expect(page.locator(f"tr[data-href='/trace/{trace}']")).to_be_visible()
    expect(page.locator(".problem")).to_have_count(0)


def test_an_empty_recorder_says_what_to_do_and_fills_by_itself(served, tab):
    page = shown(tab(served.url))
    expect(page.get_by_role("heading", name="No request is recorded yet")).to_be_visible()
    assert "inferometer run" in page.locator("main").inner_text()
    for view in VIEWS[1:]:
        page.goto(served.url + view)
        shown(page)
    page.goto(served.url)
    row, _ = served.request(12)
    served.record(row)

    expect(page.get_by_role("link", name="minilm", exact=True).first).to_be_visible()


def test_filters_are_in_the_address_and_an_address_is_the_view(busy, tab):
    page = shown(tab(f"{busy.url}/requests"))
    page.get_by_label("Service").select_option("embedder")
    page.get_by_label("Outcome").select_option("server_error")
    expect(page.locator("#requests tbody tr")).to_have_count(1)
    assert {"service=embedder", "outcome=server_error"} <= set(page.url.partition("?")[2].split("&"))

    other = shown(tab(page.url))
    expect(other.locator("#requests tbody tr")).to_have_count(1)
    expect(other.get_by_label("Outcome")).to_have_value("server_error")
    other.get_by_role("button", name="Clear").click()
    expect(other.locator("#requests tbody tr")).to_have_count(80)


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("min_seconds=0.4", 2),
        ("max_seconds=0.02", 3),
        ("service=embedder&stage=execute&min_share=0.3", 40),
        ("tenant=acme", 40),
        ("device=box", 40),
        ("sort=slowest&service=embedder", 40),
        ("version=v1&outcome=ok", 39),
    ],
)
def test_each_filter_leaves_what_matches(busy, tab, query, count):
    page = shown(tab(f"{busy.url}/requests?{query}"))

    expect(page.locator("#requests tbody tr")).to_have_count(count)


def test_a_filter_by_cost_leaves_the_dear_ones(busy, tab):
    page = shown(tab(f"{busy.url}/requests?sort=dearest&n=1"))
    costs = page.locator("#requests tbody tr td:nth-child(8)")
    dearest, second = (float(costs.nth(place).inner_text().strip("$")) for place in (0, 1))
    assert dearest > second > 0
    page.goto(f"{busy.url}/requests?min_cost_usd={second * 1.01}")

    expect(page.locator("#requests tbody tr")).to_have_count(1)


def test_a_wrong_filter_is_said_and_nothing_breaks(busy, tab):
    page = tab(f"{busy.url}/requests?min_seconds=soon", expected=("400 (Bad Request)",))

    expect(page.get_by_role("alert")).to_contain_text("a number of seconds from 0 is right")


def test_a_time_that_somebody_drags_over_is_what_is_shown(busy, tab):
    page = shown(tab(busy.url))
    plot = page.locator("[data-panel=requests] .u-over")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 50, steps=4)
    page.mouse.up()

    expect(page.locator("#live")).to_have_text("fixed time")
    assert re.search(r"from=\d+\.\d+&to=\d+\.\d+", page.url)


def test_two_requests_are_compared(busy, tab):
    (one, first), (two, second) = busy.request(20), busy.request(90)
    busy.record(one, two)
    page = shown(tab(f"{busy.url}/trace/{first}"))
    page.get_by_role("button", name="Pin for comparison").click()
    page.goto(f"{busy.url}/trace/{second}")
    page.get_by_role("link", name=re.compile("Compare with")).click()

    expect(page.locator(".verdict")).to_contain_text("The second took 70 ms longer")
    expect(page.get_by_role("tree")).to_have_count(2)


def test_two_stretches_of_time_are_compared(busy, tab):
    middle = busy.bench.clock.wall() / 1e9
    slower = [busy.request(2 * took)[0] for took in range(10, 400, 10)]
    busy.record(*slower)
    end = busy.bench.clock.wall() / 1e9
    page = shown(tab(f"{busy.url}/compare?a_from={middle - 60}&a_to={middle}&b_from={middle}&b_to={end}&model=minilm"))

    table = page.get_by_role("region", name="embedder minilm", exact=True)
    expect(table.get_by_role("row")).not_to_have_count(0)
    expect(table).to_contain_text("requests before")
    page.goto(f"{busy.url}/compare?a_from={middle - 900}&a_to={middle - 60}&b_from={middle - 60}&b_to={middle}")
    expect(page.locator("main")).to_contain_text("No model has requests in both times")


def test_from_a_model_two_versions_of_it_are_compared_in_one_click(busy, tab):
    newer = (busy.request(9 * took, shape=50)[0] for took in range(1, 30))
    busy.record(*newer, shapes={50: VERSION_TWO})
    page = shown(tab(f"{busy.url}/model?service=embedder&model=minilm&since_seconds=900"))
    page.get_by_role("link", name="Compare v1 and v2").click()

    table = page.get_by_role("region", name="embedder minilm", exact=True)
    expect(table).to_contain_text("40 requests of v1, 29 of v2")
    assert "versions=v1%2Cv2" in page.url
    expect(page.get_by_role("region", name="Two versions")).to_contain_text("embedder minilm: v1 and v2")


def test_times_to_compare_are_of_what_is_recorded(busy, tab):
    page = shown(tab(f"{busy.url}/compare"))
    page.get_by_role("button", name="Compare times").click()

    expect(page).to_have_url(re.compile("a_from="))
    asked = parse_qs(urlparse(page.url).query)
    begin, middle, again, end = (float(asked[name][0]) for name in ("a_from", "a_to", "b_from", "b_to"))
    now = busy.bench.clock.wall() / 1e9
    assert middle == again
    assert now - 60 < begin < middle < end < now + 60


def test_a_trace_says_in_words_where_its_time_went_and_leads_to_what_its_tenant_costs(busy, tab):
    row, trace = busy.request(300, shape=50)
    busy.record(row, executes=[busy.execute(300)], shapes={50: VERSION_TWO})
    page = shown(tab(f"{busy.url}/trace/{trace}"))

    expect(page.locator(".verdict")).to_have_text(re.compile(r"^Most of it: .*execute 100 ms \(33 %\)"))
    page.get_by_role("link", name="its cost").click()
    expect(page.get_by_role("heading", name="Cost", exact=True)).to_be_visible()
    assert "tenant=acme" in page.url


def test_a_wait_for_a_recorded_callee_is_the_callees_time_and_any_other_is_the_callers(busy, tab, make):
    now, root, ms = busy.bench.clock.now, 50_000, make.MS
    rows = [
        make.request(root, now, now + 1_000 * ms, shape=1, trace=99),
        make.request(70_000, now + 101 * ms, now + 299 * ms, parent_id=60_000, flags=0, trace=99),
    ]
    calls = [
        make.call(root, 60_000, now + 100 * ms, now + 300 * ms),
        make.call(root, 60_001, now + 300 * ms, now + 900 * ms),
    ]
    busy.record(*rows, calls=calls)
    page = shown(tab(f"{busy.url}/trace/{0xABC << 64 | 99:032x}"))

    expect(page.locator(".verdict")).to_have_text(re.compile(r"^Most of it: gateway remote \(inference\) 60\d ms \("))


def test_what_is_shown_is_taken_along(busy, tab):
    page = shown(tab(f"{busy.url}/?since_seconds=300"))

    def saved(panel, kind):
        card = page.locator(f"[data-panel={panel}]")
        card.locator("summary").click()
        with page.expect_download() as download:
            card.get_by_role("button", name=kind, exact=True).click()
        return download.value.path().read_bytes()

    rows = list(csv.reader(io.StringIO(saved("models", "CSV").decode())))
    assert rows[0][:4] == ["service", "model", "Burn", "Budget left"]
    assert {row[1] for row in rows[1:]} == {"minilm", "/search"}
    assert json.loads(saved("requests", "JSON"))["unit"] == "per_second"
    assert saved("tail", "PNG").startswith(b"\x89PNG\r\n")


def test_a_waterfall_is_saved_as_a_picture(busy, tab):
    row, trace = busy.request(20)
    busy.record(row)
    page = shown(tab(f"{busy.url}/trace/{trace}"))
    with page.expect_download() as download:
        page.get_by_role("button", name="PNG", exact=True).click()

    assert download.value.path().read_bytes().startswith(b"\x89PNG\r\n")


def test_everything_is_reached_by_keyboard(busy, tab):
    page = shown(tab(busy.url))
    for number, path in enumerate(VIEWS, 1):
        page.keyboard.press(str(number))
        page.wait_for_selector(f"body[data-shown='{path}']")
    page.keyboard.press("3")
    page.wait_for_selector("#requests tbody tr a")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    tree = page.get_by_role("tree", name="Waterfall")
    expect(tree).to_be_visible()
    tree.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("[role=treeitem][aria-selected=true]")).to_have_attribute("aria-level", "2")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("[role=treeitem]")).to_have_count(1)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_dark_and_light_stay_chosen(busy, tab):
    page = shown(tab(busy.url, scheme="dark"))
    root = page.locator("html")
    expect(root).to_have_attribute("data-theme", "dark")
    page.keyboard.press("t")
    expect(root).to_have_attribute("data-theme", "light")
    page.reload()

    expect(root).to_have_attribute("data-theme", "light")


@pytest.mark.parametrize("view", [*VIEWS, "trace"])
def test_on_a_phone_nothing_is_wider_than_the_screen(busy, tab, view):
    row, trace = busy.request(20)
    busy.record(row)
    page = shown(tab(busy.url + (f"/trace/{trace}" if view == "trace" else view), width=390, height=844))

    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_on_a_phone_what_matters_most_is_seen_without_moving_a_table(busy, tab):
    def right_of(page, where):
        boxes = [one.bounding_box() for one in page.locator(where).all()]
        assert boxes
        return max(box["x"] + box["width"] for box in boxes)

    page = shown(tab(busy.url, width=390, height=844))
    assert right_of(page, "nav a") <= 390
    heads = page.locator("[data-panel=models] thead th:visible").all_inner_texts()
    assert heads[:4] == ["Model", "Burn", "Budget left, at most", "p99"]
    assert right_of(page, "[data-panel=models] tbody td:has(.spark)") <= 390


def test_a_waterfall_of_a_few_hops_is_shown_whole_in_a_small_window(busy, tab):
    row, trace = busy.request(20)
    busy.record(row)
    page = shown(tab(f"{busy.url}/trace/{trace}", height=160))
    tree = page.get_by_role("tree", name="Waterfall")

    assert tree.evaluate("tree => tree.scrollHeight - tree.clientHeight") <= 0


def test_what_misses_a_target_is_not_rounded_to_it(busy, tab):
    page = shown(tab(busy.url))
    shares = [0.5, 0.98966, 0.98999, 0.9, 0.99, 0.99995, 1]
    written = page.evaluate(
        "async (all) => { const { ratio } = await import('/static/format.js'); return all.map(ratio) }", shares
    )

    assert written == ["50 %", "98.96 %", "98.99 %", "90 %", "99 %", "99.995 %", "100 %"]
