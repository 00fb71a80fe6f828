"""The Sampler, with real threads: every call that fails is counted once, and a hung one holds up nobody."""

import queue
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.catalog import gpus
from inferometer_exporters.source import LONGEST_PAUSE_SECONDS, Reading, Sample, Sampler, Scheduled, believed

DEADLINE = 5.0


class Stepped:
    """A source whose calls begin and end when the test says so."""

    def __init__(self, name="nvml"):
        self.name = name
        self.begun = threading.Semaphore(0)
        self.answers = queue.Queue()

    def read(self):
        self.begun.release()
        answer = self.answers.get(timeout=30)
        if isinstance(answer, Exception):
            raise answer
        return [power(answer)]

    def wait(self):
        assert self.begun.acquire(timeout=10)


class Running:
    """A sampler on a clock of the test's, closed with all its threads."""

    def __init__(self, *sources, **more):
        self.now = 100.0
        self.sources = sources
        self.sampler = Sampler(sources, period=0.0, deadline=DEADLINE, monotonic=lambda: self.now, **more)

    def __enter__(self):
        self.sampler.start()
        return self

    def __exit__(self, *error):
        self.sampler._stop.set()
        for source in self.sources:
            source.answers.put(0.0)
        self.sampler.close()


def power(watts, device="GPU-1"):
    return Reading(gpus.GPU_POWER, (device,), watts)


def info(source, name="NVIDIA H100"):
    return Reading(gpus.GPU_INFO, ("GPU-1", name, "570", source), 1)


outcome = st.tuples(st.sampled_from(["answers", "raises"]), st.booleans(), st.integers(0, 3))


@given(st.lists(outcome, max_size=12))
def test_each_call_that_raises_or_is_late_counts_once_however_often_one_asks(script):
    source = Stepped()
    failed, shown = 0, []
    with Running(source) as running:
        sampler = running.sampler
        source.wait()
        for number, (end, late, asked) in enumerate(script):
            if late:
                running.now += DEADLINE + 1
                failed += 1
                shown = []
                for _ in range(asked):
                    assert sampler.errors() == [("nvml", failed)]
                    assert sampler.readings() == []
            elif end == "raises":
                failed += 1
            else:
                shown = [power(number)]
            source.answers.put(OSError("lost") if end == "raises" else number)
            source.wait()
            assert sampler.errors() == [("nvml", failed)]
            assert sampler.readings() == shown


def test_readings_end_with_their_deadline_and_come_back_with_the_source():
    source = Stepped()
    with Running(source) as running:
        source.wait()
        source.answers.put(300.0)
        source.wait()
        running.now += DEADLINE
        assert running.sampler.readings() == [power(300.0)]
        running.now += 0.1
        assert running.sampler.readings() == []
        source.answers.put(200.0)
        source.wait()
        assert running.sampler.readings() == []
        source.answers.put(100.0)
        source.wait()

        assert running.sampler.readings() == [power(100.0)]
        assert running.sampler.errors() == [("nvml", 1)]


def test_a_source_that_hangs_for_ever_holds_up_neither_the_others_nor_the_end():
    hung, good = Stepped("nvml"), Stepped("cpu")
    sampler = Sampler([hung, good], period=0.0, deadline=0.05)
    sampler.start()
    hung.wait()
    for watts in range(50):
        good.wait()
        good.answers.put(watts)
    good.wait()
    good.answers.put(0.0)
    sampler.close()

    alive = {thread.name for thread in sampler._threads if thread.is_alive()}
    assert alive == {"inferometer-nvml"}
    hung.answers.put(0.0)
    for thread in sampler._threads:
        thread.join(10)


def test_what_is_wrong_is_told_once_and_so_is_that_it_is_well_again(caplog):
    source = Stepped()
    with Running(source):
        for answer in (OSError("lost"), OSError("lost"), ValueError(), 1.0, 2.0):
            source.wait()
            source.answers.put(answer)
        source.wait()
        told = [record.getMessage() for record in caplog.records]

    assert told == ["no readings of nvml: lost", "no readings of nvml: ValueError", "nvml is read again"]


@given(period=st.floats(0.001, 100), failures=st.integers(0, 10_000), took=st.floats(0, 200))
def test_failures_make_pauses_longer_up_to_a_bound_and_never_shorter_than_the_period(period, failures, took):
    sampler = Sampler([Scheduled(source=Stepped(), period=period, deadline=1000.0)])
    (sampled,) = sampler._sampled
    pauses = []
    for sampled._in_a_row in (failures, failures + 1):
        pauses.append(sampled._pause(took))

    assert pauses[0] <= pauses[1] <= max(LONGEST_PAUSE_SECONDS, period)
    assert pauses[1] >= period
    if not failures:
        assert pauses[0] == max(period - took, 0.0)


def test_a_source_that_goes_on_failing_is_asked_less_and_less_often():
    (sampled,) = Sampler([Stepped()], period=1.0)._sampled
    pauses = []
    for sampled._in_a_row in range(6):
        pauses.append(sampled._pause(0.25))

    assert pauses == [0.75, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_a_source_has_times_of_its_own_where_it_is_scheduled():
    quick, slow = Stepped("quick"), Stepped("slow")
    sampler = Sampler([quick, Scheduled(source=slow, period=10.0, deadline=30.0)], period=0.0)
    sampler.start()
    for source in (quick, slow):
        source.wait()
        source.answers.put(1.0)
    quick.wait()

    assert [sample.source for sample in sampler.samples()] in (["quick", "slow"], ["quick"])
    assert not slow.begun.acquire(timeout=0.2)
    sampler.close()
    alive = {thread.name for thread in sampler._threads if thread.is_alive()}
    assert alive == {"inferometer-quick"}, "the slow one waits for its time to come, and is woken"
    quick.answers.put(0.0)
    for thread in sampler._threads:
        thread.join(10)


def test_sources_of_one_name_are_counted_together():
    sources = Stepped("page"), Stepped("page")
    with Running(*sources) as running:
        for source in sources:
            source.wait()
            source.answers.put(OSError("gone"))
            source.wait()

        assert running.sampler.errors() == [("page", 2)]


def test_the_source_that_is_given_first_is_believed():
    first = Sample(0, "nvml", (power(300.0), info("nvml")), 0)
    second = Sample(1, "dcgm", (power(299.0), power(80.0, "GPU-2"), info("dcgm", name="H100")), 0)

    assert list(believed([first, second])) == [power(300.0), info("nvml"), power(80.0, "GPU-2")]
    assert list(believed([second])) == list(second.readings)


@pytest.mark.parametrize("readings", [[power(1.0), power(2.0)], [info("nvml"), info("nvml", "other")]])
def test_a_source_that_says_a_thing_twice_is_heard_once(readings):
    class Twice:
        name = "nvml"
        read = staticmethod(lambda: readings)

    sampler = Sampler([Twice()])
    (sampled,) = sampler._sampled
    sampled._end(tuple(readings), "")

    assert sampler.readings() == readings[:1]
