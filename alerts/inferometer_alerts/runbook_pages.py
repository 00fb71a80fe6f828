"""Runbooks as pages: each alert's ``runbook_url`` leads here where fleet.yaml names no folder of its own.

They are written in a little Markdown: headings, paragraphs, lists, code and emphasis inside of lines. Everything is
escaped before it is marked up, so a page cannot hold more than that.
"""

import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Final

_NAME: Final = re.compile(r"[A-Za-z0-9]{1,64}")
_MARKS: Final = (
    (re.compile(r"`([^`]+)`"), r"<code>\1</code>"),
    (re.compile(r"\*([^*\s][^*]*)\*"), r"<em>\1</em>"),
)
_ITEM: Final = "- "
_STYLE: Final = (
    ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;"
    "padding:0 1rem}h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:1.6rem}code{font-size:.92em}"
    "li{margin:.3rem 0}a{color:inherit}"
)


def folder() -> Path:
    """Where the runbooks lie: in the package, or in a checkout beside it."""
    package = Path(__file__).parent
    inside = package / "runbooks"
    return inside if inside.is_dir() else package.parent / "runbooks"


def names() -> tuple[str, ...]:
    """Names of the alerts that have a runbook."""
    return tuple(sorted(path.stem for path in folder().glob("*.md")))


def page(name: str) -> str | None:
    """The runbook of an alert as an HTML document; None where there is none. The suffix ``.md`` may be left out."""
    stem = name.removesuffix(".md")
    # Only what is listed is opened: the name comes from whoever asks.
    if not _NAME.fullmatch(stem) or stem not in names():
        return None
    text = (folder() / f"{stem}.md").read_text(encoding="utf-8")
    return _document(stem, "".join(_blocks(text)))


def index() -> str:
    """A page that lists all runbooks."""
    items = "".join(f'<li><a href="/runbooks/{escape(name)}">{escape(name)}</a>' for name in names())
    return _document("Runbooks", f"<h1>Runbooks</h1><ul>{items}</ul>")


def _document(title: str, body: str) -> str:
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style>{body}"
    )


def _blocks(text: str) -> Iterator[str]:
    for block in re.split(r"\n{2,}", text.strip()):
        lines = block.splitlines()
        if lines[0].startswith("#"):
            marks, _, heading = lines[0].partition(" ")
            yield f"<h{len(marks)}>{_marked(heading)}</h{len(marks)}>"
        elif lines[0].startswith(_ITEM):
            items = re.split(r"\n- ", block.removeprefix(_ITEM))
            yield f"<ul>{''.join(f'<li>{_marked(item)}' for item in items)}</ul>"
        else:
            yield f"<p>{_marked(block)}</p>"


def _marked(text: str) -> str:
    shown = escape(text)
    for mark, tag in _MARKS:
        shown = mark.sub(tag, shown)
    return shown
