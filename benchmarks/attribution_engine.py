"""The engine that attribution.py simulates, and what each of its requests really cost: the Shapley value."""

import math
import random
from collections import deque
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SECOND: Final = 10**9
MIX: Final = ((200, 300), (4000, 60), (800, 150), (100, 900))
CHUNK: Final = 512
OVERHEAD: Final = 1e-3
PER_TOKEN: Final = 2 * 8e9 / (0.5 * 989e12)
WEIGHTS: Final = 16e9 / (0.8 * 3.35e12)
PER_CONTEXT: Final = 131_072 / (0.8 * 3.35e12)
EXACT: Final = 9
ORDERS: Final = 300


@dataclass(slots=True)
class Request:
    """A request of the simulation; times in ns."""

    number: int
    arrival: int
    prompt: int
    answer: int
    done_prompt: int = 0
    done_answer: int = 0
    start: int = 0
    first: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Sequence:
    """One sequence in a step."""

    number: int
    prefill: int
    context: int


@dataclass(slots=True)
class Simulated:
    """What a load came to."""

    requests: list[Request]
    steps: list[tuple[int, int, list[Sequence]]] = field(default_factory=list)

    @property
    def bill(self) -> int:
        """Ns in which the engine worked."""
        return sum(end - start for start, end, _ in self.steps)

    @property
    def batch(self) -> float:
        """Mean number of sequences, by time."""
        return sum((end - start) * len(parts) for start, end, parts in self.steps) / self.bill


def loads_of(parts: list[Sequence]) -> tuple[Floats, Floats]:
    """Seconds of computing and of moving that each sequence adds to a step."""
    tokens = np.array([part.prefill or 1 for part in parts], np.float64)
    context = np.array([part.context for part in parts], np.float64)
    return tokens * PER_TOKEN, context * PER_CONTEXT


def simulate(rate: float, room: int, count: int, seed: int) -> Simulated:
    """Run the engine until every request is answered."""
    chance = random.Random(seed)  # noqa: S311 - made-up arrivals
    at = 0.0
    waiting: deque[Request] = deque()
    for number in range(count):
        at += chance.expovariate(rate)
        prompt, answer = chance.choice(MIX)
        waiting.append(Request(number + 1, int(at * SECOND), prompt, answer))
    found = Simulated(list(waiting))
    running: list[Request] = []
    now = 0
    while waiting or running:
        while waiting and len(running) < room and waiting[0].arrival <= now:
            request = waiting.popleft()
            request.start = now
            running.append(request)
        if not running:
            now = waiting[0].arrival
            continue
        parts = _planned(running)
        computing, moving = loads_of(parts)
        took = OVERHEAD + max(computing.sum(), WEIGHTS + moving.sum())
        end = now + round(took * SECOND)
        found.steps.append((now, end, parts))
        now = end
        by_number = {request.number: request for request in running}
        for part in parts:
            _advance(by_number[part.number], part, now)
        running = [request for request in running if not request.end]
    return found


def _planned(running: list[Request]) -> list[Sequence]:
    """The next step: every decoding sequence, and prompts as far as a chunk goes."""
    budget = CHUNK
    parts = []
    for request in running:
        context = request.done_prompt + request.done_answer
        if request.done_prompt == request.prompt:
            parts.append(Sequence(request.number, 0, context))
        elif budget:
            chunk = min(budget, request.prompt - request.done_prompt)
            budget -= chunk
            parts.append(Sequence(request.number, chunk, context))
    return parts


def _advance(request: Request, part: Sequence, now: int) -> None:
    if part.prefill:
        request.done_prompt += part.prefill
        if request.done_prompt == request.prompt:
            request.first = now
            request.done_answer = 1
    else:
        request.done_answer += 1
    if request.done_answer >= request.answer:
        request.end = now


@cache
def _members(count: int) -> Floats:
    """Which of *count* sequences each of their subsets has."""
    return ((np.arange(1 << count)[:, None] >> np.arange(count)) & 1).astype(np.float64)


@cache
def _signs(count: int) -> Floats:
    """What the time of each subset counts for the Shapley value of each sequence."""
    members = _members(count)
    size = members.sum(axis=1)
    joins = np.array([math.factorial(max(int(s) - 1, 0)) * math.factorial(count - int(s)) for s in size])
    leaves = np.array([math.factorial(int(s)) * math.factorial(max(count - int(s) - 1, 0)) for s in size])
    weights: Floats = np.where(members > 0, joins[:, None], -leaves[:, None]) / math.factorial(count)
    return weights.T


def shapley(parts: list[Sequence], chance: np.random.Generator) -> Floats:
    """Seconds of a step that each of its sequences owes."""
    computing, moving = loads_of(parts)
    count = len(parts)
    if count <= EXACT:
        members = _members(count)
        times = OVERHEAD + np.maximum(members @ computing, WEIGHTS + members @ moving)
        times[0] = 0.0
        exact: Floats = _signs(count) @ times
        return exact
    orders = np.argsort(chance.random((ORDERS, count)), axis=1)
    times = OVERHEAD + np.maximum(np.cumsum(computing[orders], axis=1), WEIGHTS + np.cumsum(moving[orders], axis=1))
    owed = np.zeros(count)
    np.add.at(owed, orders.ravel(), np.diff(times, axis=1, prepend=0.0).ravel())
    return owed / ORDERS


def truth(simulated: Simulated) -> Floats:
    """Ns that each request owes."""
    chance = np.random.default_rng(1)
    owed = np.zeros(len(simulated.requests))
    for _, _, parts in simulated.steps:
        owed[[part.number - 1 for part in parts]] += shapley(parts, chance) * SECOND
    return owed
