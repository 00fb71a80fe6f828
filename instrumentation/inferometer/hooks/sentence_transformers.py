"""sentence-transformers: making a model from a name or a folder is a model load.

What ``encode`` runs are modules of PyTorch, one execute for each of its batches, or sessions of ONNX Runtime or of
OpenVINO.
"""

from types import ModuleType
from typing import Any, Final

from inferometer.hooks.loads import loading
from inferometer.hooks.model_names import of_checkpoint
from inferometer.hooks.patching import UnsupportedError, override
from inferometer.recorder.worker import Worker

_MODELS: Final = ("SentenceTransformer", "CrossEncoder", "SparseEncoder")


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap the constructors of models.

    Raises:
        UnsupportedError: there are no models.
    """
    models = [getattr(module, name) for name in _MODELS if hasattr(module, name)]
    if not models:
        raise UnsupportedError(f"{module.__name__} has none of {', '.join(_MODELS)}")
    for model in models:
        override(worker, hook, model, "__init__", loading(worker, hook, _name))


def _name(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    given = args[1] if len(args) > 1 else kwargs.get("model_name_or_path") or kwargs.get("model_name")
    return of_checkpoint(str(given)) if given else type(args[0]).__name__
