"""What the sidecar's pages have in common: one document, one style, no script."""

from collections.abc import Iterable
from decimal import Decimal
from html import escape
from typing import Final

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""No script, nothing from elsewhere: what a request names itself is text here, whatever it contains."""

_STYLE: Final = """
:root{color-scheme:light dark}
body{font:14px/1.45 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.15rem}h2{font-size:1rem;margin:1.6rem 0 .3rem}
.facts{opacity:.75;margin:.1rem 0 .5rem}
.row{display:grid;grid-template-columns:11rem 1fr 6rem;gap:.6rem;align-items:center;margin:1px 0}
.name{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.bar{position:relative;height:1rem;background:#8881}
.bar i{position:absolute;top:0;bottom:0;min-width:2px;border-radius:2px}
.time{text-align:right;font-variant-numeric:tabular-nums}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.15rem .8rem .15rem 0}
td.number,th.number{text-align:right;font-variant-numeric:tabular-nums}
a{color:inherit}
"""


def document(title: str, body: Iterable[str]) -> str:
    """A whole page; *body* is HTML whose texts are escaped already."""
    shown = escape(title)
    return "".join(
        (
            "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
            f"<title>{shown}</title><style>{_STYLE}</style><h1>{shown}</h1>",
            *body,
        )
    )


def dollars(usd: float) -> str:
    """An amount with two significant digits and no exponent: people compare lengths of zeros, not powers."""
    return f"${Decimal(f'{usd:.2g}'):f}"
