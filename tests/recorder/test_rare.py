"""What most requests never have is kept apart, and nobody sees the difference."""

import threading
from types import SimpleNamespace

from inferometer.catalog.stages import Outcome
from inferometer.record.model import Moment
from inferometer.recorder.rare import Rare
from inferometer.recorder.request import OpenRequest


class Thing:
    worker = SimpleNamespace(making=threading.Lock())
    rare = None
    colour = Rare("grey")
    weight = Rare(0)


def test_it_has_its_default_until_somebody_sets_it():
    thing, other = Thing(), Thing()
    thing.weight = 3

    assert (thing.weight, thing.colour) == (3, "grey")
    assert (other.weight, other.rare) == (0, None)


def test_a_class_shows_the_attribute_itself():
    assert isinstance(Thing.colour, Rare)


def test_two_threads_that_set_their_first_one_at_once_lose_none():
    for _ in range(200):
        thing, together = Thing(), threading.Barrier(2)

        def colour(thing=thing, together=together):
            together.wait()
            thing.colour = "red"

        def weight(thing=thing, together=together):
            together.wait()
            thing.weight = 5

        threads = [threading.Thread(target=one) for one in (colour, weight)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert (thing.colour, thing.weight) == ("red", 5)


def test_all_that_is_rare_reaches_the_record(bench):
    request = OpenRequest(bench.worker, [])
    request.proxy_wait, request.tokens_in, request.tokens_out = 11, 12, 13
    request.first_token, request.last_token = request.entry + 1, request.entry + 2
    request.raised = Outcome.TIMEOUT
    request.close()
    (record,) = bench.records()

    assert (record.proxy_wait_ns, record.tokens_in, record.tokens_out) == (11, 12, 13)
    assert (record.stamps[Moment.FIRST_TOKEN], record.last_token) == (request.entry + 1, request.entry + 2)
    assert record.outcome is Outcome.TIMEOUT
