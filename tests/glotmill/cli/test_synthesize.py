"""`glotmill synthesize` as a user runs it, on recorded answers."""

import json

import pytest

from collection.manifest import KEPT, Manifest, Tally
from collection.record import Message, Record
from collection.store import PartWriter


@pytest.fixture
def chats(tmp_path):
    """A finished folder of two chats, and a recorded answer to one of them."""
    questions = ("Why is the sky blue in the daytime?", "Why do leaves fall in the autumn?")
    with PartWriter(tmp_path / "in", 0, 1) as part:
        turns = [(Message("user", text), Message("assistant", "It depends on many things.")) for text in questions]
        part.write([Record.of(messages=one, language="eng_Latn", source="chats") for one in turns])
    tally = Tally()
    tally.outcomes["chats", "eng_Latn", KEPT] = 2
    Manifest.of("ingest", tally, 1, complete=True).write(tmp_path / "in")
    answer = {"prompt": questions[0], "text": "Because the air scatters blue light most of all."}
    (tmp_path / "answers.jsonl").write_text(json.dumps(answer))


WORDS = ("synthesize", "--input", "in", "--method", "regenerate", "--generator", "replay:answers.jsonl")


def test_rows_are_made_told_and_sound(glotmill, chats):
    done = glotmill(*WORDS, "--out", "out")
    assert done.returncode == 0, done.stderr
    assert "synthesize: 2 rows in = 1 kept + 1 rejected" in done.stdout
    told = json.loads(glotmill(*WORDS, "--out", "out", "--json").stdout.splitlines()[-1])
    assert (told["rows_in"], told["rows_out"], told["rejected"]) == (2, 1, {"unanswered": 1})
    assert "is sound" in glotmill("collection", "validate", "out").stdout
    assert "scatters blue light" in glotmill("collection", "show", "out").stdout


def test_a_plan_writes_nothing(glotmill, chats, tmp_path):
    words = [*WORDS[:-1], "http:http://127.0.0.1:1/v1#m", "--plan", "--out", "out"]
    prices = (
        "--set",
        "generator.account.usd_per_million.input=3",
        "--set",
        "generator.account.usd_per_million.output=15",
    )
    done = glotmill(*words, *prices, "--budget", "usd=1")
    assert done.returncode == 0, done.stderr
    assert "about $0.00, at most $0.06" in done.stdout and "enough" in done.stdout
    told = json.loads(glotmill(*words, "--json").stdout.splitlines()[-1])
    assert (told["plan"], told["requests"], told["usd"]) == (True, 2, None)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--method", "regenarate", "--set", "remote.retries=1"), "regenerate"),
        (("--budget", "request=5"), "requests"),
        (("--set", "remote.concurency=5"), "remote.concurrency"),
    ],
)
def test_mistakes_are_one_line(words, told, glotmill, chats):
    done = glotmill(*WORDS, *words, "--out", "out")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1 and told in done.stderr
