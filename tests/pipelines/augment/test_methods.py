"""Methods are data: what they ask, what they take, what they make."""

import pytest

from collection.languages import resolve
from collection.record import Message, Record
from core.errors import ConfigError, UnknownNameError
from pipelines.augment.generators import GeneratorConfig, configured, parse
from pipelines.augment.methods import built_in, load


def row(*turns, language="swh_Latn"):
    return Record.of(messages=[Message(*turn) for turn in turns], language=language, source="s")


CHAT = row(
    ("system", "Ongea kwa upole."),
    ("user", "Habari?"),
    ("assistant", "Nzuri."),
    ("user", "{answer}?"),
    ("assistant", "Ndiyo, {prompt}."),
)


@pytest.mark.parametrize("name", built_in())
def test_every_method_asks_and_makes_a_conversation(name):
    method = load(name)
    question = method.question(CHAT, resolve("swh"))
    assert question.row_id == CHAT.id
    assert [turn.role for turn in question.messages][-1] == "user"
    made = method.made(CHAT, "JIBU JIPYA")
    assert made[-1].role == "assistant" and any(turn.role == "user" for turn in made[:-1])
    assert sum("JIBU JIPYA" in turn.content for turn in made) == 1
    assert len(method.about) > 20


def test_what_is_asked():
    def asked(name, language="swh_Latn"):
        return [tuple(turn) for turn in load(name).question(CHAT, resolve(language)).messages]

    assert asked("regenerate") == [("system", "Ongea kwa upole."), ("user", "Habari?")]
    assert asked("regenerate", "fra_Latn")[0] == ("system", "Answer in French.\n\nOngea kwa upole.")
    safe = asked("distill-safety")
    assert "harm" in safe[0][1] and safe[0][1].endswith("Ongea kwa upole.") and safe[1] == ("user", "Habari?")
    (rewrite,) = asked("rewrite")
    # Braces in a row's own text stand for nothing.
    assert (
        "Ndiyo, {prompt}." in rewrite[1]
        and "{answer}?" in rewrite[1]
        and "Nzuri." in rewrite[1]
        and "Swahili" in rewrite[1]
    )
    (reverse,) = asked("reverse")
    assert "Ndiyo, {prompt}." in reverse[1] and "Habari" not in reverse[1]


def test_what_is_made():
    assert [turn.content for turn in load("regenerate").made(CHAT, "x")] == ["Ongea kwa upole.", "Habari?", "x"]
    assert [turn.content for turn in load("rewrite").made(CHAT, "x")] == [
        *(turn.content for turn in CHAT.messages[:-1]),
        "x",
    ]
    assert load("reverse").made(CHAT, "x") == (Message("user", "x"), Message("assistant", "Ndiyo, {prompt}."))


def test_answers_are_parsed():
    tagged, whole = load("rewrite"), load("regenerate")
    assert tagged.parsed("I write <result>…</result> so: <RESULT>\nنعم\n</RESULT> done") == "نعم"
    assert [tagged.parsed(text) for text in ("", "no tags", "<result> </result>", "<result>open")] == [None] * 4
    assert whole.parsed("  ก  ") == "ก" and whole.parsed(" \n") is None


def test_ones_own_method_stands_on_another(tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text('base = "regenerate"\nabout = "mine"\n[select]\nlinks = true\n')
    method = load(str(mine))
    assert method.about == "mine" and method.prompt == "{prompt}"
    assert method.select.links and method.select.max_characters == 10_000


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ('about = "x"\nprompt = "{promt}"', UnknownNameError, "prompt"),
        ('about = "x"\nprompts = "y"', ConfigError, "prompt"),
        ('prompt = "y"', ConfigError, "about"),
        ('about = "x"\nparser = "json"', ConfigError, "parser"),
        ('about = "x"\nbase = "nothing"', UnknownNameError, "regenerate"),
        ("base = 'MINE'", ConfigError, "circle"),
        ("about = ", ConfigError, "mine.toml"),
    ],
)
def test_mistakes_in_a_method_are_told(text, error, words, tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text(text.replace("MINE", str(mine)))
    with pytest.raises(error, match=words):
        load(str(mine))


def test_generators_are_named():
    assert parse("http:https://host/v1") == ("http", "https://host/v1")
    assert parse("https://host/v1") == ("http", "https://host/v1")
    assert parse("replay:a:b.jsonl") == ("replay", "a:b.jsonl")
    base = GeneratorConfig(model="usual", max_tokens=7)
    assert configured("http://host/v1#org/model:7b", base) == GeneratorConfig(
        "http:http://host/v1", model="org/model:7b", max_tokens=7
    )
    assert configured("http:http://host", base).model == "usual"
    assert configured("replay:a#b.jsonl", base).spec == "replay:a#b.jsonl"
    for spec in ("", "http", "replay:", "openai:x"):
        with pytest.raises((UnknownNameError, ConfigError), match="expected"):
            parse(spec)
