"""The Keras that TensorFlow up to 2.15 brings: the tests of Keras, in an environment of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from environments import cache, make

TESTS = Path(__file__).with_name("test_keras.py")


@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="TensorFlow 2.15 has no package for it; CI runs Python 3.11")
def test_all_that_holds_for_tf_keras_holds_for_it():
    python = make("keras-2", cache(os.environ)) / "bin" / "python"
    ran = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", TESTS], cwd=TESTS.parents[2], capture_output=True,
        text=True, check=False,
    )  # fmt: skip

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "20 passed" in ran.stdout
