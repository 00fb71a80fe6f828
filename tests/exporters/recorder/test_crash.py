"""kill -9 at any moment of a pass: what was acknowledged is there, whole, and nothing is there in part."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from inferometer_exporters.recorder.store import Recorder

PROGRAM = Path(__file__).parent / "writes_passes.py"
ROUNDS = 12
ROWS = 200


def killed_while_writing(path, passes, wait_seconds):
    """Kill a writer some time after it acknowledged so many passes; the last one that it did."""
    writer = subprocess.Popen([sys.executable, str(PROGRAM), str(path)], stdout=subprocess.PIPE, text=True)
    try:
        for _ in range(passes):
            line = writer.stdout.readline()
            assert line, "the writer ended by itself"
        # Where in the next pass it is hit is chance: that is what is tried.
        time.sleep(wait_seconds)
        writer.kill()
        # Lines that it wrote before it died are acknowledgements, too.
        rest = writer.stdout.read().split("\n")
    finally:
        writer.kill()
        writer.stdout.close()
        writer.wait()
    whole = [text for text in [line.strip(), *rest[:-1]] if text]
    return int(whole[-1])


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_whenever_the_writer_is_killed(tmp_path):
    path = tmp_path / "recorder.duckdb"
    chance = random.Random(5)
    beyond = 0
    acknowledged = 0
    for _ in range(ROUNDS):
        acknowledged = killed_while_writing(path, chance.randint(1, 25), chance.random() * 0.02)
        recorder = Recorder(path)
        cursor = recorder.cursor()
        passes = cursor.execute("select pass, count(*), count(distinct text) from external_ids group by 1").fetchall()
        kept = cursor.execute("select pass, count(*) from kept group by 1").fetchall()
        named = cursor.execute(
            "select count(*) from external_ids join names on names.id = told_ns "
            "where names.name = 'name of pass ' || external_ids.pass"
        ).fetchall()
        cursor.close()

        found = {number for number, _, _ in passes}
        assert set(range(1, acknowledged + 1)) <= found <= set(range(1, acknowledged + 2))
        assert all((count, distinct) == (ROWS, ROWS) for _, count, distinct in passes)
        assert sorted(kept) == [(number, ROWS) for number in sorted(found)]
        assert named == [(len(found) * ROWS,)]
        # What was never acknowledged is taken back, as the sidecar does by its state, and comes again.
        beyond += len(found) - acknowledged
        assert recorder.rollback(acknowledged) == acknowledged
        assert recorder.names.number((f"name of pass {acknowledged + 1}",)) == acknowledged + 1
        recorder.close()

    assert acknowledged > ROUNDS
    assert beyond <= ROUNDS
