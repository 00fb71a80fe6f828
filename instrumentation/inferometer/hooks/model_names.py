"""What a model is called, by the file or the checkpoint that it comes from."""

from pathlib import PurePath
from typing import Final

# Exporters give every model one of these names; the folder says which model it is.
_GENERIC: Final = frozenset(
    {
        "adapter_model", "assets", "data", "diffusion_pytorch_model", "model", "models", "network", "onnx", "openvino",
        "openvino_model", "pytorch_model", "saved_model", "snapshots", "tf_model", "weights",
    }
)  # fmt: skip
_SUFFIXES: Final = ("_quantized", "_int8", "_uint8", "_fp16", "_q4", "_q8", "_optimized", "_dynamic")


def of_file(path: str) -> str:
    """A model's name by its file: the stem, or where that is what every export is called, the folder's name."""
    parts = PurePath(path)
    for name in (parts.stem, *(folder.name for folder in list(parts.parents)[:3])):
        plain = name.lower()
        for suffix in _SUFFIXES:
            plain = plain.removesuffix(suffix)
        if name and plain not in _GENERIC:
            return name
    return parts.stem


def of_checkpoint(name_or_path: str) -> str:
    """A model's name by what ``from_pretrained`` was given: a name on a hub stays, of a folder it is the folder's."""
    path = PurePath(name_or_path)
    hub = not path.is_absolute() and len(path.parts) <= 2 and not name_or_path.startswith((".", "~"))  # noqa: PLR2004 - owner/name
    return name_or_path if hub else of_folder(name_or_path)


def of_folder(path: str) -> str:
    """A model's name by the folder it lies in."""
    parts = PurePath(path)
    for folder in (parts, *list(parts.parents)[:2]):
        # A folder that is a version (…/resnet/1) is named by the one around it.
        if folder.name and folder.name.lower() not in _GENERIC and not folder.name.isdigit():
            return folder.name
    return parts.name
