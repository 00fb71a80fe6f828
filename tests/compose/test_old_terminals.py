"""What terminals without UTF-8 are shown."""

import io
import os
import subprocess
import sys

import pytest

from inferometer.old_terminals import make_readable


def written(text, encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    make_readable(stream)
    stream.write(text)
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", "  + peers  ##|  3.0 us - <= 250 ms  x > mend it"),
        ("latin-1", "  + peers  ##|  3.0 µs · <= 250 ms  x > mend it"),
        ("utf-8", "  ✓ peers  █▌▏  3.0 µs · ≤ 250 ms  ✗ → mend it"),
    ],
)
def test_a_terminal_shows_what_it_can_and_the_like_of_the_rest(encoding, shown):
    assert written("  ✓ peers  █▌▏  3.0 µs · ≤ 250 ms  ✗ → mend it", encoding) == shown


def test_a_character_without_a_like_is_a_question_mark():
    assert written("tenant 株式", "ascii") == "tenant ??"


@pytest.mark.processes
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize(
    "words",
    [("inferometer",), ("inferometer_compose", "engines", "coverage", "--engine", "vllm")],
    ids=lambda words: words[0],
)
def test_a_command_ends_as_it_does_elsewhere(words, encoding):
    command = [sys.executable, "-m", *words]
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    elsewhere = subprocess.run(
        command, capture_output=True, check=False, env=environment | {"PYTHONIOENCODING": "utf-8"}
    )
    answer = subprocess.run(command, capture_output=True, check=False, env=environment)

    assert answer.returncode == elsewhere.returncode
    assert not answer.stderr
    assert len(answer.stdout.splitlines()) == len(elsewhere.stdout.splitlines()) > 1
