"""File types from content: magika's ONNX model reads the first and the last kilobyte."""

import json

import numpy as np
from numpy.typing import NDArray

from inferometer_compose.fleet import weights

MODEL = "magika"
_FOLDER = ("models", "standard_v3_3")
# From the model's config.min.json: 1,024 bytes of each end after stripping blanks, looked for in 4,096; 256 is padding.
_SIDE, _BLOCK, _PADDING = 1024, 4096, 256


class FileTypeModel:
    """The loaded model and its labels."""

    def __init__(self) -> None:
        self._session = weights.open_session(weights.package_file("magika", *_FOLDER, "model.onnx"))
        config = json.loads(weights.package_file("magika", *_FOLDER, "config.min.json").read_text(encoding="utf-8"))
        self.labels: list[str] = config["target_labels_space"]

    def classify(self, features: NDArray[np.int32]) -> tuple[str, float]:
        """The most likely label and its probability, 0-1."""
        scores = self._session.run(None, {"bytes": features[np.newaxis]})[0][0]
        best = int(scores.argmax())
        return self.labels[best], float(scores[best])


def features(content: bytes) -> NDArray[np.int32]:
    """What the model sees of a file: the bytes of its two ends as integers."""
    head = content[:_BLOCK].lstrip()[:_SIDE]
    tail = content[-_BLOCK:].rstrip()[-_SIDE:]
    row = np.full(2 * _SIDE, _PADDING, dtype=np.int32)
    row[: len(head)] = np.frombuffer(head, dtype=np.uint8)
    row[2 * _SIDE - len(tail) :] = np.frombuffer(tail, dtype=np.uint8)
    return row
