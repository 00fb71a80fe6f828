"""One ``generate``: its runs are told as two, prefill until the first token is there and decode from then on.

The runs of the model inside begin and end them, so that device and rows are those of the model. Tokens are counted when
it is done, from what it was given and what it returns.
"""

import time
from collections.abc import Sequence
from typing import Any, Final

from inferometer.catalog.stages import Kind
from inferometer.hooks.compute import Timer, What
from inferometer.recorder import tokens
from inferometer.recorder.executes import ExecuteMark
from inferometer.recorder.request import OpenRequest
from inferometer.recorder.worker import Worker

now = time.monotonic_ns
_U32: Final = 0xFFFFFFFF


class Generation:
    """What the runs of one ``generate`` are inside of."""

    def __init__(
        self, worker: Worker, hook: str, model: Any, name: str, requests: Sequence[OpenRequest], *, cached: int = 0
    ) -> None:
        """Wait for the first run.

        Args:
            worker: of this process.
            hook: is counted where we fail.
            model: whose ``generate`` it is.
            name: of the model.
            requests: that the tokens are for.
            cached: tokens of each prompt that were computed before.
        """
        self._worker = worker
        self._hook = hook
        self._model = model
        self._is_module = callable(getattr(model, "_call_impl", None))
        self._name = name
        self._requests = requests
        self._cached = cached
        self._timer: Timer | None = None
        self._begun: Any = None
        self._prefill: ExecuteMark | None = None
        self._on_device = False
        self._ran = False
        self._first = 0

    def begins(self, what: What, timer: Timer) -> None:
        """A run inside: the first is where prefill begins, the first after the first token where decode begins."""
        if self._begun is not None:
            return
        try:
            kind = Kind.DECODE if self._first else Kind.PREFILL
            self._timer = timer
            self._begun = timer.begin(What(what.device, self._name or what.model, what.rows, kind))
            self._on_device = not isinstance(self._begun, ExecuteMark)
        except Exception as error:  # noqa: BLE001 - the edge: the model runs without us
            self._worker.hooks.failed(self._hook, error)

    def ends(self, runner: Any) -> None:
        """A run inside has ended: of the model itself, of its encoder, or of a smaller model that assists it."""
        self._ran = self._ran or runner is self._model or not self._is_module

    def token(self) -> None:
        """Tokens were chosen, one for each sequence (more where another model assists)."""
        if not self._ran:
            return  # what a smaller model proposes is no token yet
        self._ran = False
        at = now()
        if not self._first:
            self._first = at
            self._prefill = self._mark()
            self._end()
        for request in self._requests:
            if not request.ended:
                tokens.produced(request, at)

    def ended(self) -> None:
        """``generate`` returns, or raises."""
        first, last = self._prefill, self._mark() or self._prefill
        self._end()
        if not self._on_device or first is None or last is None:
            return
        # A device chose the tokens after the host had launched that, so its clock says when they were there.
        for mark in (first, last):
            if mark.ask is not None:
                mark.ask()
        for request in self._requests:
            if not request.ended and not request.said & tokens.MOMENTS:
                request.first_token = max(request.first_token, first.end)
                request.last_token = max(request.last_token, last.end)

    def count(self, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        """Count the tokens that went in and came out."""
        requests = [request for request in self._requests if not request.ended]
        if not requests:
            return
        given = _given(args, kwargs)
        self._computed(sum(given) - self._cached * len(given), len(requests))
        came = _came(self._model, args, kwargs, result)
        if len(requests) == 1:
            tokens.counted(requests[0], tokens_in=sum(given), tokens_out=sum(came))
        elif len(requests) == len(given) == len(came):
            # A batch with one sequence for each request, in their order; otherwise whose they are is not known.
            for request, tokens_in, tokens_out in zip(requests, given, came, strict=True):
                tokens.counted(request, tokens_in=tokens_in, tokens_out=tokens_out)

    def _computed(self, prompt: int, requests: int) -> None:
        """The prefill computed *prompt* tokens for so many requests; each request's row tells its part."""
        mark = self._prefill
        if mark is not None and prompt > 0:
            mark.tokens = min(prompt // requests, _U32)

    def _mark(self) -> ExecuteMark | None:
        begun = self._begun
        return begun if isinstance(begun, ExecuteMark) else getattr(begun, "mark", None)

    def _end(self) -> None:
        begun, self._begun = self._begun, None
        if begun is not None and self._timer is not None:
            self._timer.end(begun)


def _given(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[int]:
    """Tokens of each prompt without padding; empty where what goes in are no tokens."""
    mask: Any = kwargs.get("attention_mask")
    if getattr(mask, "ndim", 0) == 2:  # noqa: PLR2004 - sequences, tokens
        return [int(row) for row in mask.sum(-1).tolist()]
    inputs = _inputs(args, kwargs)
    if getattr(inputs, "ndim", 0) == 2:  # noqa: PLR2004 - sequences, tokens
        return [int(inputs.shape[1])] * int(inputs.shape[0])
    return []


def cached(kwargs: dict[str, Any]) -> int:
    """Tokens of each prompt that were computed before, and are in the cache that ``generate`` is given."""
    length = getattr(kwargs.get("past_key_values"), "get_seq_length", None)
    return int(length()) if callable(length) else 0


def _came(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> list[int]:
    """Tokens that each sequence got, its end included and what fills it up after that excluded."""
    inputs = _inputs(args, kwargs)
    prompt = 0
    if getattr(model.config, "is_encoder_decoder", False):
        started = kwargs.get("decoder_input_ids")
        prompt = 1 if started is None else int(started.shape[1])
    elif getattr(inputs, "ndim", 0) == 2:  # noqa: PLR2004 - sequences, tokens
        prompt = int(inputs.shape[1])
    config = kwargs.get("generation_config") or (args[1] if len(args) > 1 else None) or model.generation_config
    ends = kwargs.get("eos_token_id", getattr(config, "eos_token_id", None))
    ending = frozenset([ends] if isinstance(ends, int) else ends or ())
    return [_length(row[prompt:], ending) for row in getattr(result, "sequences", result).tolist()]


def _length(tokens: Sequence[int], ending: frozenset[int]) -> int:
    return next((number for number, token in enumerate(tokens, 1) if token in ending), len(tokens))


def _inputs(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if args:
        return args[0]
    inputs = kwargs.get("inputs")
    return kwargs.get("input_ids") if inputs is None else inputs
