"""The live page in a real Chromium, over a real server and a recorder whose passes a test drives."""

import itertools
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import expect, sync_playwright

from inferometer.access import OPEN
from inferometer_compose.live import PAGES
from inferometer_exporters.api import Api
from inferometer_exporters.ports import Address, ApiServer
from inferometer_exporters.pulse import Pulse
from inferometer_exporters.tally import Tally

CHROMIUM = "/usr/bin/chromium"
WAIT_MS = 60_000
expect.set_options(timeout=WAIT_MS)


@dataclass
class Served:
    """A page's server; what a test records is shown when it says so."""

    bench: object
    make: object
    access: object = OPEN
    port: int = 0
    pulse: Pulse = field(default_factory=Pulse)
    spans: object = field(default_factory=lambda: itertools.count(1))
    server: ApiServer | None = None
    worker: object = None

    def start(self):
        api = Api(
            self.bench.recorder.cursor,
            self.make.THRESHOLDS,
            healthy=lambda: True,
            wall_ns=self.bench.clock.wall,
            pulse=self.pulse,
            pages=PAGES,
        )
        self.server = ApiServer(api.app(), Address("127.0.0.1", self.port), self.access, Tally(), is_open=PAGES.is_open)
        self.port = self.server.port
        self.server.start()
        return self

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def record(self, *requests, executes=(), shapes=None, seconds=2.0, **tables):
        """Record what began within *seconds* from now, when they are over; whoever watches is told."""
        bench, worker = self.bench, self.worker
        arrival = worker.arrival(
            bench.clock.now + int(seconds * self.make.SECOND), requests=requests, executes=executes, **tables
        )
        arrival.names.shapes.update(shapes or {})
        bench.do_pass(arrival, seconds=seconds)
        bench.do_pass(worker.arrival(bench.clock.now + self.make.MS))
        bench.do_pass(worker.arrival(bench.clock.now + self.make.SECOND), seconds=1)
        bench.do_pass(worker.arrival(bench.clock.now + self.make.SECOND), seconds=1)
        self.pulse.beat(bench.number)

    def request(self, took_ms, *, shape=2, outcome=0, **more):
        """A request that begins now, and its trace's id."""
        span, make, now = next(self.spans), self.make, self.bench.clock.now
        trace = f"{0xABC << 64 | span:032x}"
        row = make.request(span, now, now + took_ms * make.MS, shape=shape, outcome=outcome, trace=span, **more)
        return row, trace

    def execute(self, took_ms, **more):
        """The run of the request that `request` made last, in the middle of it."""
        span, make, now = next(self.spans) - 1, self.make, self.bench.clock.now
        self.spans = itertools.count(span + 1)
        third = took_ms * make.MS // 3
        return make.execute(span, now + third, now + 2 * third, **more)


@pytest.fixture
def served(bench, make):
    found = Served(bench, make).start()
    found.worker = make.worker()
    bench.do_pass(found.worker.arrival(bench.clock.now + make.MS))
    yield found
    found.server.close()


@pytest.fixture
def busy(served):
    """Forty requests of a model and of its gateway, the slowest of which waited; one failed."""
    rows, executes = [], []
    for number in range(1, 41):
        took = 10 * number + (400 if number == 40 else 0)
        rows.append(served.request(took, outcome=3 if number == 7 else 0)[0])
        executes.append(served.execute(took))
        rows.append(served.request(took + 3, shape=1)[0])
    served.record(*rows, executes=executes)
    return served


@pytest.fixture(scope="module")
def browser():
    """Of one file: as long as Playwright runs, no other test of this process may call `asyncio.run`."""
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def tab(browser):
    """Opens tabs; none may have said an error when the test ends, but those that a test expects."""
    opened, errors = [], []

    def open_tab(url, *, expected=(), width=1280, height=900, scheme="light", **more):
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **more)
        opened.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)

        def said(text):
            if not any(part in text for part in expected):
                errors.append(text)

        page.on("console", lambda message: said(message.text) if message.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: said(str(error)))
        page.on("dialog", lambda dialog: (errors.append(f"a dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(url)
        return page

    yield open_tab
    for context in opened:
        context.close()
    assert errors == []
