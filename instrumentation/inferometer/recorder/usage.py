"""Numbers of tokens that an answer states of itself, in the words of the usual APIs."""

import re
from typing import Final

TAIL: Final = 2048
"""Bytes at the end of an answer, or of an event, in which they are looked for: they come last."""
NEAR: Final = -1024
"""Where in a whole answer `may_state` begins to look."""
HINT: Final = b'_tokens"'
"""What it looks for."""
# OpenAI, Anthropic, Ollama, Gemini, llama.cpp, TGI. Inside a JSON string quotes are escaped, so that what a user
# wrote can never look like one of these names.
_INPUT: Final = re.compile(
    rb'"(?:prompt_tokens|input_tokens|prompt_eval_count|promptTokenCount|tokens_evaluated)"\s{0,8}:\s{0,8}(\d{1,9})(?!\d)'
)
_OUTPUT: Final = re.compile(
    rb'"(?:completion_tokens|output_tokens|eval_count|candidatesTokenCount|tokens_predicted|generated_tokens)"'
    rb"\s{0,8}:\s{0,8}(\d{1,9})(?!\d)"
)


def stated(data: bytes) -> tuple[int, int]:
    """(input, output) tokens that the last `TAIL` bytes of *data* state; 0 where they do not say."""
    tail = data[-TAIL:]
    return _last(_INPUT, tail), _last(_OUTPUT, tail)


def _last(name: re.Pattern[bytes], tail: bytes) -> int:
    number = 0
    for match in name.finditer(tail):
        number = int(match[1])
    return number


def may_state(body: bytes) -> bool:
    """Whether a whole answer may state tokens as OpenAI and Anthropic do: cheap enough to ask of every answer."""
    return body.rfind(HINT, NEAR) >= 0
