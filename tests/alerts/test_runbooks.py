"""Runbooks: every alert has one, and each is a page that nothing can be put into."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer_alerts import runbook_pages
from inferometer_alerts.runbook_pages import folder, index, names, page


class Tags(HTMLParser):
    """What a browser makes of a page: its tags, and whether each attribute is ours."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("name", names())
def test_a_runbook_is_a_page_with_its_headings_and_all_of_its_words(name):
    shown = Tags(page(name))
    written = (folder() / f"{name}.md").read_text()

    assert [tag for tag, _ in shown.tags].count("h2") == written.count("\n## ")
    words = set(re.findall(r"[A-Za-z_]{3,}", written))
    assert words <= set(re.findall(r"[A-Za-z_]{3,}", " ".join(shown.text)))


def test_the_suffix_may_stand_or_be_left_out():
    assert page("GpuLost.md") == page("GpuLost") is not None


@pytest.mark.parametrize(
    "name", ["", "..", "../runbooks/GpuLost", "GpuLost/", "gpulost", "GpuLost.md.md", "a" * 99, "%2e"]
)
def test_nothing_else_of_the_disk_is_shown(name):
    assert page(name) is None


def test_the_list_links_to_each():
    links = [attributes["href"] for tag, attributes in Tags(index()).tags if tag == "a"]

    assert links == [f"/runbooks/{name}" for name in names()]
    assert len(links) > 30


@given(st.text(st.sampled_from("ab<>&\"'`*- #\n\\/=")))
def test_whatever_a_page_holds_it_is_text(text):
    body = "".join(runbook_pages._blocks(text)) if text.strip() else ""

    tags = Tags(body).tags
    assert {tag for tag, _ in tags} <= {"p", "ul", "li", "code", "em", *(f"h{n}" for n in range(1, 99))}
    assert all(not attributes for _, attributes in tags)
