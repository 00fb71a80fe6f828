"""The table of hooks, and how they reach modules that are imported already, later, or never."""

import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Final

from inferometer.hooks.patching import NotWantedError, UnsupportedError
from inferometer.recorder.hook_states import ACTIVE, OFF, WAITING
from inferometer.recorder.worker import Worker

if TYPE_CHECKING:
    from importlib.abc import Loader, MetaPathFinder
else:
    # Python asks for their methods only, and before 3.12 that module imports all that resources and archives need.
    Loader = MetaPathFinder = object


@dataclass(frozen=True, slots=True)
class Hook:
    """A hook: the module it waits for, and the module of ours whose ``install(worker, module)`` patches it.

    ``install`` says with `UnsupportedError` that the library is not as it must be.
    """

    name: str
    target: str
    code: str


HOOKS: Final = (
    Hook("asgi", "starlette.applications", "inferometer.hooks.starlette"),
    Hook("fastapi", "fastapi.applications", "inferometer.hooks.fastapi_application"),
    Hook("fastapi.routing", "fastapi.routing", "inferometer.hooks.fastapi_routing"),
    Hook("starlette.routing", "starlette.routing", "inferometer.hooks.starlette_routing"),
    Hook("starlette.endpoints", "starlette.endpoints", "inferometer.hooks.starlette_endpoints"),
    Hook("uvicorn", "uvicorn.server", "inferometer.hooks.uvicorn_server"),
    Hook("uvicorn.h11", "uvicorn.protocols.http.h11_impl", "inferometer.hooks.uvicorn_cycle"),
    Hook("uvicorn.httptools", "uvicorn.protocols.http.httptools_impl", "inferometer.hooks.uvicorn_cycle"),
    Hook("anyio", "anyio.to_thread", "inferometer.hooks.anyio_threads"),
    Hook("httpx", "httpx", "inferometer.hooks.httpx"),
    Hook("logging", "logging", "inferometer.hooks.log_records"),
    Hook("opentelemetry", "opentelemetry.trace", "inferometer.hooks.otel.api"),
    Hook("opentelemetry.asgi", "opentelemetry.instrumentation.asgi", "inferometer.hooks.otel.bypass_asgi"),
    Hook("opentelemetry.flask", "opentelemetry.instrumentation.flask", "inferometer.hooks.otel.bypass_flask"),
    Hook("opentelemetry.grpc", "opentelemetry.instrumentation.grpc._server", "inferometer.hooks.otel.bypass_grpc"),
    Hook(
        "opentelemetry.grpc.aio", "opentelemetry.instrumentation.grpc._aio_server", "inferometer.hooks.otel.bypass_grpc"
    ),
    Hook("opentelemetry.wsgi", "opentelemetry.instrumentation.wsgi", "inferometer.hooks.otel.bypass_wsgi"),
    Hook("opentelemetry.sdk", "opentelemetry.sdk.trace", "inferometer.hooks.otel.sdk"),
    Hook("onnxruntime", "onnxruntime.capi.onnxruntime_inference_collection", "inferometer.hooks.onnxruntime"),
    Hook("bentoml", "_bentoml_impl.server.app", "inferometer.hooks.bentoml"),
    Hook("bentoml.batching", "bentoml._internal.marshal.dispatcher", "inferometer.hooks.bentoml_batching"),
    Hook("bentoml.io", "_bentoml_sdk.io_models", "inferometer.hooks.bentoml_io"),
    Hook("kserve", "kserve.model", "inferometer.hooks.kserve"),
    Hook("kserve.dataplane", "kserve.protocol.dataplane", "inferometer.hooks.kserve_dataplane"),
    Hook("litserve", "litserve.server", "inferometer.hooks.litserve"),
    Hook("litserve.worker", "litserve.loops.loops", "inferometer.hooks.litserve_worker"),
    Hook("mlserver", "mlserver.handlers.dataplane", "inferometer.hooks.mlserver"),
    Hook("mlserver.batching", "mlserver.batching.adaptive", "inferometer.hooks.mlserver_batching"),
    Hook("mlserver.parallel", "mlserver.parallel.dispatcher", "inferometer.hooks.mlserver_parallel"),
    Hook("ray.serve", "ray.serve.api", "inferometer.hooks.ray_serve"),
    Hook("ray.serve.batching", "ray.serve.batching", "inferometer.hooks.ray_serve_batching"),
    Hook("ray.serve.deployment", "ray.serve._private.config", "inferometer.hooks.ray_serve_deployment"),
    Hook("ray.serve.proxy", "ray.serve._private.proxy", "inferometer.hooks.ray_serve_proxy"),
    Hook("ray.serve.replica", "ray.serve._private.replica", "inferometer.hooks.ray_serve_replica"),
    Hook("ray.serve.router", "ray.serve._private.router", "inferometer.hooks.ray_serve_router"),
    Hook("openvino", "openvino._ov_api", "inferometer.hooks.openvino"),
    Hook("keras", "keras.src.models.model", "inferometer.hooks.keras"),
    Hook("keras.load", "keras.src.saving.saving_lib", "inferometer.hooks.keras_loads"),
    Hook("keras.load.h5", "keras.src.legacy.saving.legacy_h5_format", "inferometer.hooks.keras_loads"),
    Hook("keras.2", "keras.src.engine.training", "inferometer.hooks.keras"),
    Hook("keras.2.load", "keras.src.saving.legacy.save", "inferometer.hooks.keras_loads"),
    Hook("tf_keras", "tf_keras.src.engine.training", "inferometer.hooks.keras"),
    Hook("tf_keras.load", "tf_keras.src.saving.saving_lib", "inferometer.hooks.keras_loads"),
    Hook("tf_keras.load.legacy", "tf_keras.src.saving.legacy.save", "inferometer.hooks.keras_loads"),
    Hook("sentence_transformers", "sentence_transformers", "inferometer.hooks.sentence_transformers"),
    Hook("tensorflow", "tensorflow.python.saved_model.load", "inferometer.hooks.tensorflow"),
    Hook("torch", "torch", "inferometer.hooks.torch"),
    Hook("torch.compile", "torch._dynamo.eval_frame", "inferometer.hooks.torch_dynamo"),
    Hook("transformers.generate", "transformers.generation.utils", "inferometer.hooks.transformers_generate"),
    Hook("transformers.models", "transformers.modeling_utils", "inferometer.hooks.transformers_models"),
    Hook("transformers.streamers", "transformers.generation.streamers", "inferometer.hooks.transformers_streamers"),
    Hook(
        "transformers.tokenizers", "transformers.tokenization_utils_base", "inferometer.hooks.transformers_tokenizers"
    ),
    Hook("grpc.server", "grpc._server", "inferometer.hooks.grpc_server"),
    Hook("grpc.aio.server", "grpc.aio._server", "inferometer.hooks.grpc_aio_server"),
    Hook("grpc", "grpc._channel", "inferometer.hooks.grpc_client"),
    Hook("grpc.aio", "grpc.aio._call", "inferometer.hooks.grpc_aio_client"),
    Hook("flask", "flask.app", "inferometer.hooks.flask"),
    Hook("django", "django.core.handlers.base", "inferometer.hooks.django"),
    Hook("django.asgi", "django.core.handlers.asgi", "inferometer.hooks.django"),
    Hook("django.wsgi", "django.core.handlers.wsgi", "inferometer.hooks.django"),
    Hook("gunicorn.sync", "gunicorn.workers.sync", "inferometer.hooks.gunicorn_worker"),
    Hook("gunicorn.gthread", "gunicorn.workers.gthread", "inferometer.hooks.gunicorn_worker"),
    Hook("urllib3", "urllib3.connectionpool", "inferometer.hooks.urllib3"),
    Hook("aiohttp", "aiohttp.client", "inferometer.hooks.aiohttp"),
    Hook("threads", "concurrent.futures.thread", "inferometer.hooks.threads"),
    Hook("asyncio.timeouts", "asyncio.timeouts", "inferometer.hooks.asyncio_timeouts"),
)
_installing = threading.Lock()


def install(worker: Worker, hooks: Sequence[Hook] = HOOKS) -> None:
    """Install every hook that is not installed yet: now where its module is there, else when it is imported."""
    with _installing:
        fresh = [hook for hook in hooks if worker.hooks.status_of(hook.name) is None]
        waiting: dict[str, list[Hook]] = {}
        for hook in fresh:
            module = sys.modules.get(hook.target)
            # A module that is being imported is in sys.modules already, without what is patched.
            if module is not None and not getattr(getattr(module, "__spec__", None), "_initializing", False):
                apply(worker, hook, module)
            else:
                worker.hooks.set(hook.name, WAITING)
                waiting.setdefault(hook.target, []).append(hook)
        if waiting:
            sys.meta_path.insert(0, _Watch(waiting, lambda hook, module: apply(worker, hook, module)))


def apply(worker: Worker, hook: Hook, module: ModuleType) -> None:
    """Let the hook patch *module*; whatever goes wrong is its own."""
    try:
        import_module(hook.code).install(worker, module, hook.name)
    except NotWantedError:
        worker.hooks.set(hook.name, OFF)
    except UnsupportedError as error:
        worker.hooks.unsupported(hook.name, str(error))
    except Exception as error:  # noqa: BLE001 - the edge: an import of the user's must not fail by us
        worker.hooks.failed(hook.name, error)
    else:
        worker.hooks.set(hook.name, ACTIVE)


class _Watch(MetaPathFinder):
    """Lets every import pass, and tells when a module that somebody waits for was executed."""

    def __init__(self, waiting: dict[str, list[Hook]], found: Callable[[Hook, ModuleType], None]) -> None:
        self._waiting = waiting
        self._found = found

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that the other finders find, with a loader that tells us; None for what nobody waits for."""
        if fullname not in self._waiting:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                    spec.loader = _Telling(spec.loader, self._executed)
                return spec
        return None

    def _executed(self, module: ModuleType) -> None:
        for hook in self._waiting.pop(module.__name__, ()):
            self._found(hook, module)


class _Telling(Loader):
    """A loader that tells when its module was executed, and is the original in everything else."""

    def __init__(self, loader: Loader, executed: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._executed = executed

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """What the original creates."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Execute, put the original loader back, and tell."""
        self._loader.exec_module(module)
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._executed(module)
