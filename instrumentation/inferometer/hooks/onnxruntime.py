"""ONNX Runtime: each run of a session is an execute, each session that is made a model load.

All ways to run one: ``run``, ``run_with_ort_values``, ``run_async`` (until its callback is called) and io-binding. What
an io-binding copies to and from a device are executes of kind ``copy_in`` and ``copy_out``; on a CPU nothing is copied.
"""

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Final
from weakref import WeakKeyDictionary

from inferometer.catalog.stages import Kind
from inferometer.hooks.compute import Describe, What, inside, measured
from inferometer.hooks.cuda_devices import visible
from inferometer.hooks.loads import loading
from inferometer.hooks.model_names import of_file
from inferometer.hooks.patching import replace
from inferometer.recorder.worker import Worker

_GPU_PROVIDERS: Final = ("CUDAExecutionProvider", "TensorrtExecutionProvider", "ROCMExecutionProvider")
_INPUTS: Final = (
    ("bind_cpu_input", 1, "arr_on_cpu"),
    ("bind_ortvalue_input", 1, "ortvalue"),
    ("bind_input", 4, "shape"),
)
"""Methods that bind an input, and which argument tells its shape."""


class _Session:
    """What is known of one session: the model's name and the device; of an io-binding, the rows bound to it too."""

    __slots__ = ("device", "model", "rows")

    def __init__(self, model: str, device: str) -> None:
        self.model = model
        self.device = device
        self.rows = 0


class _Sessions:
    """Sessions and their io-bindings, as long as they live."""

    def __init__(self, worker: Worker) -> None:
        self._host = worker.device
        self._sessions: WeakKeyDictionary[Any, _Session] = WeakKeyDictionary()
        self._bindings: WeakKeyDictionary[Any, _Session] = WeakKeyDictionary()

    def of(self, session: Any) -> _Session:
        """What is known of *session*."""
        known = self._sessions.get(session)
        if known is None:
            known = self._sessions[session] = _Session(_model(session), _device(session, self._host))
        return known

    def bind(self, binding: Any, session: Any) -> None:
        """An io-binding of *session* was made."""
        known = self.of(session)
        self._bindings[binding] = _Session(known.model, known.device)

    def of_binding(self, binding: Any) -> _Session | None:
        """What is known of an io-binding; None where it was made before the hook."""
        return self._bindings.get(binding)

    def copies(self, binding: Any) -> _Session | None:
        """What is known of an io-binding that copies to and from a device; None where it has none."""
        known = self._bindings.get(binding)
        return known if known is not None and known.device != self._host else None


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap the ways to run a session, its io-bindings, and the constructor of sessions."""
    sessions = _Sessions(worker)
    session, binding = module.Session, module.IOBinding
    run = measured(worker, hook, _of_feed(sessions, "input_feed"))
    replace(worker, hook, session, "run", run)
    with_values = measured(worker, hook, _of_feed(sessions, "input_dict_ort_values"))
    replace(worker, hook, session, "run_with_ort_values", with_values)
    replace(worker, hook, session, "run_with_iobinding", measured(worker, hook, _of_binding(sessions)))
    replace(worker, hook, session, "run_async", lambda original: _run_async(worker, hook, sessions, original))
    replace(
        worker,
        hook,
        module.InferenceSession,
        "__init__",
        loading(worker, hook, lambda _, args, __: _model(args[0]), lambda _, args, __: _device(args[0], worker.device)),
    )
    replace(worker, hook, binding, "__init__", lambda original: _bound(worker, hook, sessions, original))
    for name, place, parameter in _INPUTS:
        replace(worker, hook, binding, name, _binds(worker, hook, sessions, place, parameter))
    for name in ("bind_cpu_input", "synchronize_inputs"):
        replace(worker, hook, binding, name, _copies(worker, hook, sessions, Kind.COPY_IN))
    for name in ("synchronize_outputs", "copy_outputs_to_cpu"):
        replace(worker, hook, binding, name, _copies(worker, hook, sessions, Kind.COPY_OUT))


def _of_feed(sessions: _Sessions, name: str) -> Describe:
    def describe(session: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> What:
        return _fed(sessions, session, args[1] if len(args) > 1 else kwargs[name])

    return describe


def _fed(sessions: _Sessions, session: Any, feed: Mapping[str, Any]) -> What:
    known = sessions.of(session)
    return What(known.device, known.model, next((_leading(value) for value in feed.values()), 0))


def _of_binding(sessions: _Sessions) -> Describe:
    def describe(session: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> What:
        known = sessions.of(session)
        bound = sessions.of_binding(args[0] if args else kwargs["iobinding"])
        return What(known.device, known.model, bound.rows if bound is not None else 0)

    return describe


def _run_async(worker: Worker, hook: str, sessions: _Sessions, original: Callable[..., Any]) -> Callable[..., Any]:
    """A run that ends when its callback is called, in a thread of the runtime."""

    def run_async(  # noqa: PLR0917 - as the method that it replaces
        self: Any, output_names: Any, input_feed: Any, callback: Any, user_data: Any, run_options: Any = None
    ) -> Any:
        if inside.around is not None:
            return original(self, output_names, input_feed, callback, user_data, run_options)
        try:
            what = _fed(sessions, self, input_feed)
            mark = worker.executes.begin(what.device, model=what.model, rows=what.rows)
        except Exception as error:  # noqa: BLE001 - the edge: the model runs without us
            worker.hooks.failed(hook, error)
            return original(self, output_names, input_feed, callback, user_data, run_options)

        def ended(results: Any, data: Any, error: Any) -> Any:
            worker.executes.end(mark)
            return callback(results, data, error)

        try:
            return original(self, output_names, input_feed, ended, user_data, run_options)
        except BaseException:
            worker.executes.end(mark)
            raise

    return run_async


def _bound(worker: Worker, hook: str, sessions: _Sessions, original: Callable[..., None]) -> Callable[..., None]:
    def __init__(self: Any, session: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it becomes that method
        original(self, session, *args, **kwargs)
        try:
            sessions.bind(self, session)
        except Exception as error:  # noqa: BLE001 - the edge
            worker.hooks.failed(hook, error)

    return __init__


def _binds(
    worker: Worker, hook: str, sessions: _Sessions, place: int, parameter: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a replacement that remembers how many rows are bound."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def bind(self: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                known = sessions.of_binding(self)
                if known is not None:
                    value = args[place] if len(args) > place else kwargs.get(parameter)
                    known.rows = _leading(value) or known.rows
            except Exception as error:  # noqa: BLE001 - the edge: it is bound without us
                worker.hooks.failed(hook, error)
            return original(self, *args, **kwargs)

        return bind

    return make


def _copies(
    worker: Worker, hook: str, sessions: _Sessions, kind: Kind
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a replacement that tells of a copy to or from a device."""
    begin, end = worker.executes.begin, worker.executes.end

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def copy(self: Any, *args: Any, **kwargs: Any) -> Any:
            mark = None
            try:
                copying = sessions.copies(self) if inside.around is None else None
                if copying is not None:
                    mark = begin(copying.device, model=copying.model, rows=copying.rows, kind=kind)
            except Exception as error:  # noqa: BLE001 - the edge: it is copied without us
                worker.hooks.failed(hook, error)
            try:
                return original(self, *args, **kwargs)
            finally:
                if mark is not None:
                    end(mark)

        return copy

    return make


def _leading(value: Any) -> int:
    """Leading dimension of an array, an OrtValue (whose ``shape`` is a method) or a shape; 0 where unknown."""
    shape = getattr(value, "shape", value)
    if callable(shape):
        shape = shape()
    return shape[0] if shape and isinstance(shape[0], int) else 0


def _model(session: Any) -> str:
    path = getattr(session, "_model_path", None)
    if isinstance(path, str) and path:
        return of_file(path)
    return str(session.get_modelmeta().graph_name or "")


def _device(session: Any, host: str) -> str:
    options: Mapping[str, Mapping[str, str]] = session.get_provider_options()
    for provider in session.get_providers():
        if provider in _GPU_PROVIDERS:
            return visible(int(options.get(provider, {}).get("device_id", "0")))
    return host
