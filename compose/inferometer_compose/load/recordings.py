"""Recordings in which somebody seems to speak: vowels made of a voice's pulses and three resonances, with pauses."""

from collections.abc import Iterator
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

from inferometer_compose.fleet.speech import SAMPLES_PER_SECOND

# Formants of five vowels, in hertz (Peterson and Barney 1952, adult male means).
_VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410))
_BANDWIDTHS = (80, 100, 150)
_GAINS = (1.0, 0.6, 0.3)
_SYLLABLE_SECONDS = 0.18
_SYLLABLES_PER_PAUSE = 5
# The glottis is open for a short part of each period.
_OPEN_SHARE = 0.06


def recordings(seed: int) -> Iterator[bytes]:
    """Recordings of one to three seconds as 16-bit mono samples at 16 kHz, eight of them over and over."""
    noise = np.random.default_rng(seed)
    return cycle([_recording(noise, seconds) for seconds in (1.0, 1.2, 1.5, 1.8, 2.0, 2.2, 2.5, 3.0)])


def _recording(noise: np.random.Generator, seconds: float) -> bytes:
    samples = np.concatenate([_syllable(noise, index) for index in range(round(seconds / _SYLLABLE_SECONDS))])
    samples += noise.normal(0, 0.003, len(samples))
    return np.asarray(np.clip(samples, -1, 1) * 32767, dtype="<i2").tobytes()


def _syllable(noise: np.random.Generator, index: int) -> NDArray[np.float64]:
    count = round(_SYLLABLE_SECONDS * SAMPLES_PER_SECOND)
    if index % _SYLLABLES_PER_PAUSE == _SYLLABLES_PER_PAUSE - 1:
        return np.zeros(count)
    seconds = np.arange(count) / SAMPLES_PER_SECOND
    pitch = noise.uniform(100, 140) * (1 + 0.1 * np.sin(2 * np.pi * 2.3 * seconds))
    pulses = (np.cumsum(pitch) / SAMPLES_PER_SECOND % 1 < _OPEN_SHARE) - _OPEN_SHARE + noise.normal(0, 0.01, count)
    frequency = np.fft.rfftfreq(count, 1 / SAMPLES_PER_SECOND)
    vowel = _VOWELS[noise.integers(len(_VOWELS))]
    throat = sum(
        gain / (1 + ((frequency - formant) / bandwidth) ** 2)
        for formant, bandwidth, gain in zip(vowel, _BANDWIDTHS, _GAINS, strict=True)
    )
    sound = np.fft.irfft(np.fft.rfft(pulses) * throat, count) * np.sqrt(np.hanning(count))
    return np.asarray(0.5 * sound / np.abs(sound).max())
