"""Hooks reach modules before and after their import, each on its own, and never break an import."""

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, thread

import pytest

from inferometer.hooks import threads
from inferometer.hooks.patching import UnsupportedError, replace
from inferometer.hooks.registry import Hook, install
from inferometer.recorder.asgi import recording
from inferometer.recorder.executes import running_batch
from inferometer.recorder.hook_states import ACTIVE, FAILED, UNSUPPORTED, WAITING
from inferometer.recorder.request import current_request

TARGET = "VALUE = 1\ndef call():\n    return 'theirs'\n"


@pytest.fixture
def target(tmp_path, monkeypatch):
    """A library that can be hooked, and hooks of ours that can fail."""
    (tmp_path / "library_of_theirs.py").write_text(TARGET)
    (tmp_path / "good_hook.py").write_text(
        "from inferometer.hooks.patching import replace\n"
        "def install(worker, module, hook):\n"
        "    replace(worker, hook, module, 'call', lambda original: lambda: 'ours, ' + original())\n"
    )
    (tmp_path / "bad_hook.py").write_text("def install(worker, module, hook):\n    1 / 0\n")
    (tmp_path / "picky_hook.py").write_text(
        "from inferometer.hooks.patching import replace\n"
        "def install(worker, module, hook):\n"
        "    replace(worker, hook, module, 'missing', lambda original: original)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    before = list(sys.meta_path)
    yield "library_of_theirs"
    sys.meta_path[:] = before
    for name in ("library_of_theirs", "good_hook", "bad_hook", "picky_hook"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("first", [True, False], ids=["before the import", "after the import"])
def test_a_hook_reaches_its_module(hooked, target, first):
    if not first:
        __import__(target)
    install(hooked, [Hook("good", target, "good_hook")])
    assert hooked.hooks.statuses() == {"good": WAITING if first else ACTIVE}
    library = __import__(target)

    assert library.call() == "ours, theirs"
    assert library.call.__name__ == "call"
    assert library.__spec__.loader is library.__loader__
    assert type(library.__loader__).__module__ != "inferometer.hooks.registry"
    assert hooked.hooks.statuses() == {"good": ACTIVE}


def test_hooks_of_one_module_fail_alone(hooked, target, caplog):
    install(hooked, [Hook(name, target, f"{name}_hook") for name in ("bad", "picky", "good")])
    library = __import__(target)

    assert library.call() == "ours, theirs"
    assert hooked.hooks.statuses() == {"bad": FAILED, "picky": UNSUPPORTED, "good": ACTIVE}
    assert hooked.hooks.errors() == {"bad": 1}
    assert "library_of_theirs has no missing that can be called" in caplog.text


def test_installing_twice_patches_once(hooked, target):
    for _ in range(2):
        install(hooked, [Hook("good", target, "good_hook")])
    library = __import__(target)
    install(hooked, [Hook("good", target, "good_hook")])

    assert library.call() == "ours, theirs"


def test_a_module_that_fails_to_import_is_hooked_when_it_works(hooked, target, tmp_path):
    (tmp_path / "library_of_theirs.py").write_text("1 / 0")
    install(hooked, [Hook("good", target, "good_hook")])
    with pytest.raises(ZeroDivisionError):
        __import__(target)
    (tmp_path / "library_of_theirs.py").write_text(TARGET + "# longer, so that no cache is taken for it\n")

    assert __import__(target).call() == "ours, theirs"


def test_a_failed_hook_is_taken_out_and_said_once(hooked, target, caplog):
    install(hooked, [Hook("good", target, "good_hook")])
    library = __import__(target)
    for _ in range(3):
        hooked.hooks.failed("good", RuntimeError("ours"))

    assert library.call() == "theirs"
    assert hooked.hooks.errors() == {"good": 3}
    assert len(caplog.records) == 1


def test_what_somebody_wrapped_around_ours_stays(hooked, target):
    install(hooked, [Hook("good", target, "good_hook")])
    library = __import__(target)
    ours = library.call
    library.call = lambda: "around " + ours()
    hooked.hooks.failed("good", RuntimeError())

    assert library.call() == "around ours, theirs"


def test_an_inherited_attribute_is_not_replaced(hooked):
    class Base:
        def call(self):
            pass

    class Child(Base):
        pass

    with pytest.raises(UnsupportedError, match="Child has no call"):
        replace(hooked, "x", Child, "call", lambda original: original)


def test_a_pool_of_threads_carries_the_request_and_nothing_stays_behind(hooked):
    threads.install(hooked, thread, "threads")
    seen = []

    async def app(scope, receive, send):
        with ThreadPoolExecutor(1) as pool:
            seen.append(pool.submit(lambda x: (current_request.get() is not None, x), 7).result())
            current_request.set(None)
            seen.append(pool.submit(lambda: (current_request.get(), running_batch.get())).result())

    async def nothing(_=None):
        return {"type": "http.request"}

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    asyncio.run(recording(hooked, lambda _, *rest: app(*rest))(None, scope, nothing, nothing))

    assert seen == [(True, 7), (None, None)]


@pytest.mark.processes
@pytest.mark.parametrize("order", ["inferometer.auto, fastapi", "fastapi, inferometer.auto"])
def test_the_line_works_first_and_last_and_the_application_stays_picklable(order):
    code = (
        f"import {order}, pickle, starlette.applications\n"
        "app = fastapi.FastAPI()\n"
        "assert pickle.loads(pickle.dumps(type(app))) is fastapi.FastAPI\n"
        "assert type(app).__call__.__wrapped__ and starlette.applications.Starlette.__call__.__wrapped__\n"
        "assert not [name for name, value in vars(app).items() if 'inferometer' in str(type(value).__module__)]\n"
        "from inferometer.recorder.this_process import worker\n"
        "assert not worker().started\n"
        "print(*[name for name, status in worker().hooks.statuses().items() if status == 'active'])"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout

    assert {"asgi", "fastapi", "fastapi.routing", "starlette.routing"} <= set(shown.split())


@pytest.mark.processes
def test_importing_the_line_starts_no_thread_and_takes_little_time():
    code = (
        "import time, threading, sys; t = time.process_time(); import inferometer.auto; t = time.process_time() - t\n"
        "assert threading.active_count() == 1 and 'asyncio' not in sys.modules; print(t)"
    )
    shown = [
        float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
        for _ in range(3)
    ]

    assert min(shown) < 0.25
