"""The tokens of a hop in words."""

import pytest

from inferometer_exporters.token_text import token_text

NAMES = ("tokens_in", "tokens_out", "first_token_seconds", "time_per_output_token_seconds")


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ((None, None, None, None), ""),
        ((9, None, None, None), "9 tokens in"),
        ((None, 1, None, None), "1 token out"),
        ((9, 12_340, 0.052, 0.01), "9 tokens in, 12,340 tokens out, first token after 52 ms, then 10 ms each"),
    ],
)
def test_what_is_known_of_tokens_is_said(known, words):
    hop = dict(zip(NAMES, known, strict=True))

    assert token_text(hop, lambda seconds: f"{seconds * 1e3:.0f} ms") == words
