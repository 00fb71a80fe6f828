"""``logging``: every record made inside a request carries ``trace_id`` and ``span_id``, where settings ask for it."""

from types import ModuleType
from typing import Any

from inferometer.hooks.patching import NotWantedError
from inferometer.recorder.log_ids import SPAN_ID, TRACE_ID, current_ids
from inferometer.recorder.worker import Worker


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap the factory of records; outside a request both attributes are empty, so that a format may name them.

    Raises:
        NotWantedError: nobody asked for it.
    """
    if not worker.settings.log_correlation:
        raise NotWantedError
    original = module.getLogRecordFactory()
    broken = False

    def factory(*args: Any, **kwargs: Any) -> Any:
        nonlocal broken
        record = original(*args, **kwargs)
        try:
            ids = None if broken else current_ids()
            trace_id, span_id = ids if ids is not None else ("", "")
            fields = record.__dict__
            fields.setdefault(TRACE_ID, trace_id)
            fields.setdefault(SPAN_ID, span_id)
        except Exception as error:  # noqa: BLE001 - the edge: the record is the program's
            # Off before it is said: saying so makes a record.
            broken = True
            worker.hooks.failed(hook, error)
        return record

    module.setLogRecordFactory(factory)
