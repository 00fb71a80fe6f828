"""Ids are random, of 64 bits, and no two requests have the same: not of two threads, not of a process and its child."""

from concurrent.futures import ThreadPoolExecutor

from inferometer.recorder.ids import Ids

MANY = 2_000


def test_ids_use_all_of_their_bits():
    ids = Ids()
    drawn = [number for _ in range(MANY) for number in ids.of_request()]

    assert len(set(drawn)) == 3 * MANY
    for bit in range(64):
        share = sum(number >> bit & 1 for number in drawn) / len(drawn)
        assert 0.4 < share < 0.6


def test_threads_never_draw_the_same_ids():
    ids = Ids()
    with ThreadPoolExecutor(8) as pool:
        drawn = [
            number for part in pool.map(lambda _: [ids.of_request() for _ in range(MANY)], range(8)) for number in part
        ]

    assert len({span for span, _, _ in drawn}) == len(drawn) == 8 * MANY


def test_what_was_drawn_before_a_fork_is_not_given_out_after_it():
    ids = Ids()
    ids.of_request()
    rest_of_the_parent = ids.of_request
    ids.reseed()

    assert {ids.of_request() for _ in range(200)}.isdisjoint(rest_of_the_parent() for _ in range(200))
