"""Renews the pictures of docs/live.md from a sidecar that runs, such as that of ``inferometer demo --keep``.

``python tools/live_screenshots.py http://127.0.0.1:9465 docs/live``
"""

import json
import sys
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

CHROMIUM = "/usr/bin/chromium"
WIDE, PHONE = (1280, 800), (390, 844)


def trace_of(address: str, asked: str) -> str:
    """The trace of the first request, as *asked*, that was answered by a model behind another service."""
    url = f"{address}/api/requests?n=1&stage=remote&outcome=ok&{asked}"
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - an address that somebody gave on the command line
        return str(json.load(answer)["requests"][0]["trace_id"])


def main() -> None:
    """Take every picture."""
    address, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    slowest = trace_of(address, "sort=slowest")
    trace = f"/trace/{slowest}"
    pictures = {
        "fleet": ("/", WIDE, "light"),
        "fleet-dark": ("/", WIDE, "dark"),
        "model": ("/model?service=embedder&model=minilm", WIDE, "light"),
        "requests": ("/requests", WIDE, "light"),
        "trace": (trace, WIDE, "light"),
        "compare": (f"/compare?a={trace_of(address, 'model=/search&max_seconds=0.5')}&b={slowest}", WIDE, "light"),
        "slo": ("/slo", WIDE, "light"),
        "cost": ("/cost", WIDE, "dark"),
        "phone": ("/", PHONE, "dark"),
        "phone-trace": (trace, PHONE, "light"),
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, (path, (width, height), scheme) in pictures.items():
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            page.goto(address + path)
            page.wait_for_selector("body[data-shown]", timeout=60_000)
            page.wait_for_timeout(1_500)
            page.screenshot(path=folder / f"{name}.png")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
