"""Queries in plain English, as long as people write them: most are short, some are a whole story."""

import random

from inferometer_compose.fleet.corpus import TITLES

_OPENINGS = (
    "Hello,",
    "Hi there,",
    "Good morning,",
    "I have a question:",
    "Please help:",
    "Short one:",
    "Sorry to bother you,",
)
_WISHES = (
    "I would like to know how to do this: {}.",
    "My neighbour told me about it. {}?",
    "It says on the page that this is possible. {}.",
    "We tried it twice last week and it did not work. {}.",
    "The person on the phone could not tell me more. {}, that is all I want.",
    "My order has the number {number} and came on the {day}th. {}?",
)
_ENDINGS = (
    "Thank you!",
    "Best regards from the rainy coast.",
    "It is urgent, we leave on Friday.",
    "I can send photographs if they help.",
    "No hurry.",
    "",
)


def query(dice: random.Random) -> str:
    """A query: one page's title in other words, sometimes several of them in one message."""
    pages = dice.choices((0, 1, 2, 4), weights=(30, 45, 20, 5))[0]
    if pages == 0:
        return " ".join(dice.choice(TITLES).split()[: dice.randint(2, 5)])
    parts = [dice.choice(_OPENINGS)]
    for title in dice.sample(TITLES, pages):
        number, day = dice.randint(10_000, 99_999), dice.randint(4, 20)
        parts.append(dice.choice(_WISHES).format(title.lower(), number=number, day=day))
    return " ".join([*parts, dice.choice(_ENDINGS)]).strip()
