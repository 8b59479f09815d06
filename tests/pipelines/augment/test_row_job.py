"""Rows made of rows, whatever makes them: the sum, the grain, kills, budgets."""

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from collection import store
from collection.manifest import KEPT, Manifest, Tally
from collection.record import Message, Record
from collection.reject import Reason
from collection.store import PartWriter
from collection.validate import problems
from core.errors import ConfigError, OutputError, SourceError, UserError
from pipelines.augment.row_job import RowJob, family, read_inputs, reject_of, run_row_job
from pipelines.runner import RunConfig

TEXTS = {
    "eng_Latn": ("Say number {}.", "Number {}."),
    "arb_Arab": ("قل الرقم {}.", "الرقم {}."),
    "tha_Thai": ("พูดเลข {}", "เลข {}"),
    "hin_Deva": ("संख्या {} कहो।", "संख्या {}।"),
}


@dataclass(frozen=True)
class Config:
    money: int = 0
    run: RunConfig = field(default_factory=lambda: RunConfig(mode="in_memory"))


def write_stage(folder: Path, counts):
    """A finished folder with so many rows in each part."""
    tally, number = Tally(), 0
    for index, count in enumerate(counts):
        records = []
        for _ in range(count):
            language = list(TEXTS)[number % len(TEXTS)]
            turns = zip(("user", "assistant"), TEXTS[language], strict=True)
            messages = tuple(Message(role, text.format(number)) for role, text in turns)
            records.append(Record.of(messages=messages, language=language, source="numbers"))
            tally.outcomes["numbers", language, KEPT] += 1
            number += 1
        with PartWriter(folder, index, len(counts)) as part:
            part.write(records)
    Manifest.of("sample", tally, len(counts), complete=True).write(folder)
    return folder


class Twice:
    """Two rows of every row, in upper case and backwards; none of those whose text has a word in it."""

    def __init__(self, log: Path, refuse: str = "", fail: str = "", budget: int = -1, user_error: str = ""):
        self.log, self.refuse, self.fail, self.budget, self.user_error = log, refuse, fail, budget, user_error

    def make(self, records):
        with open(self.log, "a") as file:
            file.write(f"{len(records)}\n")
        outcomes = []
        for one in records:
            if self.fail and self.fail in one.target:
                raise RuntimeError("cannot do this")
            if self.user_error and self.user_error in one.target:
                raise UserError("the engine is gone: start it")
            for change in (str.upper, lambda text: text[::-1]):
                if self.refuse and self.refuse in one.target:
                    outcomes.append(reject_of(one, Reason.TOO_LONG, "so it is", "fra_Latn"))
                elif self.budget >= 0 and int("".join(c for c in one.target if c.isdigit())) >= self.budget:
                    outcomes.append(reject_of(one, Reason.OVER_BUDGET))
                else:
                    messages = tuple(Message(turn.role, change(turn.content)) for turn in one.messages)
                    made = Record.of(messages=messages, language=one.language, source=one.source, origin="synthetic")
                    outcomes.append(dataclasses.replace(made, parent_id=family(one), generator="twice 1"))
        return outcomes


@contextlib.contextmanager
def opened(place, log, **options):
    yield Twice(log, **options)


def derivation(log, *, free=("run",), rows_a_piece=7, rows_a_batch=3, **options):
    opener = partial(opened, log=log, **options)
    return RowJob("twice", opener, 2, {"twice": "1"}, rows_a_piece, rows_a_batch, free=free)


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


@pytest.fixture
def made(tmp_path, log):
    """Makes rows of the given folders; the manifest."""

    def make(inputs, config=None, out="out", fresh=False, **options):
        config = config or Config()
        what = derivation(log, **options)
        return run_row_job(inputs, config, tmp_path / out, what, run=config.run, fresh=fresh)

    return make


def test_every_row_becomes_its_two_rows(made, tmp_path):
    inputs = [write_stage(tmp_path / "a", [5, 0, 11]), write_stage(tmp_path / "b", [1])]
    manifest = made(inputs)
    assert (manifest.rows_in, manifest.rows_out, manifest.complete) == (34, 34, True)
    assert list(problems(tmp_path / "out")) == []
    rows = list(store.records(tmp_path / "out"))
    parents = [one for folder in inputs for one in store.records(folder)]
    # Nothing is missing, nothing comes twice, and all stand in the order of what they were made of.
    assert [row.parent_id for row in rows] == [one.id for one in parents for _ in range(2)]
    assert rows[3].messages[0].content == parents[1].messages[0].content[::-1]
    assert manifest.upstream[0]["command"] == "sample" and len(manifest.inputs) == 4
    assert any("each of 17 rows was to become 2" in note for note in manifest.notes)


def test_work_comes_in_pieces_of_bounded_size_whatever_the_parts(made, log, tmp_path):
    made([write_stage(tmp_path / "a", [1, 1, 1, 20])])
    assert len(store.parts(tmp_path / "out")) == 4
    assert [int(line) for line in log.read_text().split()] == [3, 2, 3, 3, 3, 3, 3, 3]


def test_one_large_row_group_is_cut_too(made, tmp_path):
    folder = write_stage(tmp_path / "a", [30])
    assert [piece.rows for piece in read_inputs([folder]).pieces(7)] == [6] * 5
    made([folder])
    assert [row.id for row in store.records(folder)] == [
        row.parent_id for row in list(store.records(tmp_path / "out"))[::2]
    ]


def test_an_empty_folder_makes_an_empty_folder(made, tmp_path):
    manifest = made([write_stage(tmp_path / "a", [0])])
    assert (manifest.rows_in, manifest.shards) == (0, 0)
    assert list(problems(tmp_path / "out")) == []


def test_what_is_turned_away_stands_in_the_log_with_its_place(made, tmp_path):
    manifest = made([write_stage(tmp_path / "a", [9])], refuse="8")
    assert manifest.rejected == {"too_long": 2} and manifest.rows_in == 18
    assert manifest.languages["fra_Latn"].rejected == {"too_long": 2}
    first, second = store.rejects(tmp_path / "out")
    assert first == second
    assert first["location"].endswith("part-00000-of-00001.parquet:9") and first["detail"] == "so it is"
    assert '"Number 8."' in first["raw"] and first["source"] == "numbers"
    assert list(problems(tmp_path / "out")) == []


def test_a_bug_on_one_row_costs_that_row_alone(made, tmp_path):
    manifest = made([write_stage(tmp_path / "a", [9])], fail="4")
    assert manifest.rejected == {"internal_error": 2} and manifest.rows_out == 16
    assert "please report it" in manifest.warnings[0]
    assert list(problems(tmp_path / "out")) == []


def test_what_the_user_can_mend_ends_the_run_and_it_goes_on_later(made, log, tmp_path):
    folder = write_stage(tmp_path / "a", [30])
    with pytest.raises(UserError, match="the engine is gone"):
        made([folder], user_error=" 20.")
    with pytest.raises(SourceError, match="no manifest"):
        Manifest.read(tmp_path / "out")
    log.unlink()
    manifest = made([folder])
    assert manifest.rows_out == 60 and list(problems(tmp_path / "out")) == []
    assert sum(map(int, log.read_text().split())) < 30


def test_a_finished_run_is_not_made_again(made, log, tmp_path):
    folder = write_stage(tmp_path / "a", [9])
    first = made([folder])
    log.unlink()
    assert made([folder]).run == first.run
    assert not log.exists()


def test_another_run_is_refused_unless_fresh(made, tmp_path):
    folder = write_stage(tmp_path / "a", [9])
    made([folder])
    with pytest.raises(OutputError, match=r"config\.money was 0, is 1"):
        made([folder], Config(money=1))
    assert made([folder], Config(money=1), fresh=True).rows_out == 18


def test_with_more_money_the_same_run_goes_on(made, tmp_path):
    folder = write_stage(tmp_path / "a", [12])
    poor = made([folder], Config(money=1), free=("run", "money"), budget=5)
    assert poor.complete and poor.rejected == {"over_budget": 14}
    assert any("the budget was spent before 14 rows" in note for note in poor.notes)
    assert list(problems(tmp_path / "out")) == []
    rich = made([folder], Config(money=2), free=("run", "money"))
    assert rich.rejected == {} and rich.rows_out == 24
    assert list(problems(tmp_path / "out")) == []


def test_inputs_are_checked_first(made, tmp_path):
    with pytest.raises(ConfigError, match="--input DIR"):
        made([])
    with pytest.raises(SourceError, match="no such folder"):
        made([tmp_path / "nowhere"])
    folder = write_stage(tmp_path / "a", [9])
    store.parts(folder)[0].unlink()
    with pytest.raises(SourceError, match="damaged"):
        made([folder])


def test_a_damaged_part_is_named(made, tmp_path):
    folder = write_stage(tmp_path / "a", [200])
    part = store.parts(folder)[0]
    data = bytearray(part.read_bytes())
    data[len(data) // 3] ^= 1
    part.write_bytes(data)
    with pytest.raises(UserError, match=r"part-00000-of-00001\.parquet cannot be read"):
        made([folder])


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_row_job as test
from pipelines.augment.row_job import run_row_job

class Slow(test.Twice):
    def make(self, records):
        import time
        time.sleep(0.05)
        return super().make(records)

test.Twice = Slow
out = Path(sys.argv[2])
print("ready", flush=True)
run_row_job([out / "a"], test.Config(), out / "out", test.derivation(out / "log"), run=test.Config().run)
"""


def test_a_killed_run_is_taken_up_and_makes_the_same(made, log, tmp_path):
    folder = write_stage(tmp_path / "a", [120])
    whole = made([folder], out="whole")
    log.unlink()
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(tmp_path)]
    with subprocess.Popen(command, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, stdout=subprocess.PIPE) as run:
        run.stdout.readline()
        done = tmp_path / "out" / ".work" / "done"
        while run.poll() is None and len(list(done.glob("*.json"))) < 3:
            pass
        run.send_signal(signal.SIGKILL)
        run.stdout.read()
    before = sum(map(int, log.read_text().split()))
    assert 0 < before < 120
    resumed = made([folder])
    assert sum(map(int, log.read_text().split())) < 120 + 2 * 7
    assert resumed.rows_out == whole.rows_out == 240
    assert list(store.records(tmp_path / "out")) == list(store.records(tmp_path / "whole"))
    assert list(problems(tmp_path / "out")) == []


@pytest.mark.slow
def test_pieces_run_in_processes_of_their_own(tmp_path, log):
    folder = write_stage(tmp_path / "a", [40])
    run = RunConfig(mode="multi_processing", workers=2)
    what = dataclasses.replace(derivation(log), open=partial(in_process, log=log))
    manifest = run_row_job([folder], Config(run=run), tmp_path / "out", what, run=run)
    assert manifest.rows_out == 80 and list(problems(tmp_path / "out")) == []
    assert str(os.getpid()) not in log.read_text().split()


@contextlib.contextmanager
def in_process(place, log):
    with open(log, "a") as file:
        file.write(f"{os.getpid()}\n")
    yield Twice(Path(os.devnull))
