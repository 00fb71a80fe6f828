"""transformers: ``from_pretrained`` of a model is a model load."""

from types import ModuleType

from inferometer.hooks.loads import loading
from inferometer.hooks.model_names import of_checkpoint
from inferometer.hooks.patching import replace_classmethod
from inferometer.recorder.worker import Worker


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap ``PreTrainedModel.from_pretrained``, which the classes for any architecture call, too."""
    load = loading(
        worker, hook, lambda _, args, kwargs: of_checkpoint(str(_first(args[1:], kwargs) or args[0].__name__))
    )
    replace_classmethod(worker, hook, module.PreTrainedModel, "from_pretrained", load)


def _first(args: tuple[object, ...], kwargs: dict[str, object]) -> object:
    return args[0] if args else kwargs.get("pretrained_model_name_or_path")
