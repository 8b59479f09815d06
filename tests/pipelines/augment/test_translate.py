"""Rows into other languages: structure, turns, quality, languages without a pair; by Apertium where it is installed."""

import dataclasses
import json
from collections import Counter
from pathlib import Path

import pytest

from collection import store
from collection.manifest import KEPT, Manifest, Tally
from collection.record import Message, Record
from collection.splits import SplitConfig, split_of
from collection.store import PartWriter
from collection.structure import protected
from collection.translation_quality import TranslationQualityConfig
from collection.validate import problems
from core.errors import ConfigError, OutputError, UnknownNameError, UserError
from pipelines.augment.translate import TranslateConfig, TranslationMaker, translate
from pipelines.augment.translators.base import Translated, Untranslated
from pipelines.build.job import BuildConfig, build
from pipelines.ingest.config import IngestConfig, IngestSource
from pipelines.ingest.job import ingest
from pipelines.plan.translate import of_translate
from pipelines.runner import RunConfig

IN_MEMORY = RunConfig(mode="in_memory")
KEEP_ALL = TranslationQualityConfig(min_score=0, detector="none")

HARD = """Here is how to install the program on your computer:

1. Open the page https://example.org/get?os=linux&v=2 in your browser.
2. Run `pip install example_tool` and wait.
   - It takes about **5 minutes**.
   - You need {name} and ${HOME} for it.

```python
def main():
    print("Good day, world")  # do not translate me
```

| Name | Price |
|---|---|
| The big house | $1,250 |

The formula $E = mc^2$ is famous, and \\\\frac{a}{b} is a fraction. The word 水 means water, and مرحبا means hello.

> What do you think? Write to me@example.org!"""


def row(*turns, language="eng_Latn", **columns):
    return Record.of(
        messages=[Message(role, text) for role, text in turns], language=language, source="rows", **columns
    )


def write_stage(folder: Path, records, parts=1):
    tally = Tally()
    for one in records:
        tally.outcomes[one.source, one.language, KEPT] += 1
    for index in range(parts):
        with PartWriter(folder, index, parts) as part:
            part.write(records[index::parts])
    Manifest.of("sample", tally, parts, complete=True).write(folder)
    return folder


@pytest.fixture
def recorded(tmp_path, write_lines):
    """A translator that knows the given lines."""

    def make(lines, source="eng_Latn", target="spa_Latn"):
        rows = [
            {"source": a, "target": b, "source_language": source, "target_language": target, "system": "tests"}
            for a, b in lines.items()
        ]
        return f"replay:{write_lines(tmp_path / 'recorded.jsonl', rows)}"

    return make


def run(folder, out, **options):
    options = {"quality": KEEP_ALL, "run": IN_MEMORY, "to": ("spa_Latn",), **options}
    fresh = options.pop("fresh", False)
    manifest = translate([folder], TranslateConfig(**options), out, fresh=fresh)
    assert list(problems(out)) == []
    return manifest


class TestApertium:
    @pytest.mark.apertium("eng-spa", "eng-cat")
    def test_structure_comes_through_a_real_engine(self, tmp_path):
        one = row(("user", HARD), ("assistant", HARD))
        run(write_stage(tmp_path / "in", [one]), tmp_path / "out", translator="apertium", to=("spa", "cat"))
        spanish, catalan = store.records(tmp_path / "out")
        for made in (spanish, catalan):
            for turn in made.messages:
                assert sorted(protected(turn.content)) == sorted(protected(HARD))
                assert [line == "" for line in turn.content.split("\n")] == [line == "" for line in HARD.split("\n")]
                for line in ('    print("Good day, world")  # do not translate me', "|---|---|"):
                    assert line in turn.content.split("\n")
                for piece in (
                    "1. ",
                    "2. ",
                    "   - ",
                    "> ",
                    "水",
                    "مرحبا",
                    "1,250",
                    "https://example.org/get?os=linux&v=2 ",
                ):
                    assert piece in turn.content
                assert "XQ" not in turn.content and "The big house" not in turn.content
        assert "La casa grande" in spanish.target and "La casa gran" in catalan.target
        assert ("¿" not in HARD and "Cómo" in spanish.target) or "cómo" in spanish.target

    @pytest.mark.apertium("eng-spa")
    def test_a_row_says_where_it_comes_from(self, tmp_path):
        parent = row(
            ("user", "What is this?"), ("assistant", "This is a house."), license="CC0-1.0", dataset="d", template="t"
        )
        child = dataclasses.replace(row(("user", "Hello."), ("assistant", "Good day.")), parent_id=parent.id)
        run(write_stage(tmp_path / "in", [parent, child]), tmp_path / "out", translator="apertium")
        first, second = store.records(tmp_path / "out")
        assert (first.parent_id, first.origin, first.language) == (parent.id, "translated", "spa_Latn")
        assert (first.license, first.dataset, first.template, first.source) == ("CC0-1.0", "d", "t", "rows")
        assert first.generator.startswith("apertium 3.") and "eng-spa" in first.generator
        # The child of a child belongs to the same family, and falls into the same split.
        assert second.parent_id == parent.id
        assert split_of(first.id, first.parent_id, SplitConfig()) == split_of(
            second.id, second.parent_id, SplitConfig()
        )

    @pytest.mark.apertium("eng-spa")
    def test_a_language_without_a_pair_is_a_reject(self, tmp_path):
        rows = [
            row(("user", "Habari gani?"), ("assistant", "Nzuri."), language="swh_Latn"),
            row(("user", "¿Qué tal?"), ("assistant", "Bien."), language="spa_Latn"),
            row(("user", "How are you?"), ("assistant", "Well.")),
            row(("user", "7 * 6 = ?"), ("assistant", "42")),
        ]  # fmt: skip
        manifest = run(write_stage(tmp_path / "in", rows), tmp_path / "out", translator="apertium", to=("spa", "swh"))
        assert manifest.rows_in == 8
        assert manifest.rejected == {"same_language": 2, "no_translator": 5}
        details = {(line["language"], line["detail"]) for line in store.rejects(tmp_path / "out")}
        assert ("spa_Latn", "no swh_Latn to spa_Latn for turn 1") in details
        assert ("swh_Latn", "no eng_Latn to swh_Latn for turn 1") in details
        assert ("spa_Latn", "nothing in it is language to be translated") in details

    @pytest.mark.apertium("eng-cat", "spa-cat")
    def test_a_turn_in_another_language_is_translated_from_it(self, tmp_path):
        english = "Translate the following sentence into Spanish, please, and tell me what you think about it."
        spanish = "La casa es muy grande y está cerca del río, donde los niños juegan todas las tardes."
        rows = [row(("user", english), ("assistant", spanish), language="spa_Latn")]
        told = TranslationQualityConfig(min_score=0)
        run(write_stage(tmp_path / "in", rows), tmp_path / "out", translator="apertium", to=("cat",), quality=told)
        (made,) = store.records(tmp_path / "out")
        assert "Tradueix" in made.messages[0].content or "Traduir" in made.messages[0].content
        assert made.target.startswith("La casa és molt gran")
        assert "eng-cat" in made.generator and "spa-cat" in made.generator

    @pytest.mark.apertium("eng-spa", "eng-cat")
    def test_real_rows_become_spanish_and_catalan(self, shared, tmp_path):
        (tmp_path / "xp3x" / "eng_Latn").mkdir(parents=True)
        for path in sorted(shared("data/derived_xp3x/eng_Latn").glob("xp3_xquad_*_answer_*"))[:2]:
            lines = path.read_text("utf-8").splitlines()[:40]
            (tmp_path / "xp3x" / "eng_Latn" / path.name).write_text("\n".join(lines), "utf-8")
        chats = json.loads(next(shared("data/sharegpt_fastchat").glob("*.json")).read_text("utf-8"))[:60]
        (tmp_path / "chats.json").write_text(json.dumps(chats), "utf-8")
        sources = (IngestSource("xp3x", str(tmp_path / "xp3x")), IngestSource("sharegpt", str(tmp_path / "chats.json")))
        parents = ingest(IngestConfig(sources=sources, run=IN_MEMORY), tmp_path / "in")
        manifest = run(
            tmp_path / "in",
            tmp_path / "out",
            translator="apertium",
            to=("spa_Latn", "cat_Latn"),
            quality=TranslationQualityConfig(),
        )
        assert manifest.rows_in == 2 * parents.rows_out and manifest.rows_out > 0.9 * manifest.rows_in
        known = {one.id: one for one in store.records(tmp_path / "in")}
        for made in store.records(tmp_path / "out"):
            parent = known[made.parent_id]
            assert [turn.role for turn in made.messages] == [turn.role for turn in parent.messages]
            for ours, theirs in zip(made.messages, parent.messages, strict=True):
                assert ours.content.count("\n") == theirs.content.count("\n")
                assert sorted(protected(ours.content)) == sorted(protected(theirs.content))
        # All of it is a collection's input.
        build([tmp_path / "in", tmp_path / "out"], BuildConfig(run=IN_MEMORY), tmp_path / "collection")
        assert list(problems(tmp_path / "collection")) == []
        card = (tmp_path / "collection" / "README.md").read_text("utf-8")
        assert "| xp3x | translated |" in card and "| sharegpt | translated |" in card

    @pytest.mark.apertium("eng-spa", "spa-eng")
    def test_round_trips_are_held_against_a_bar(self, tmp_path):
        rows = [row(("user", "What is a house?"), ("assistant", "A house is a building where people live."))]
        folder = write_stage(tmp_path / "in", rows)
        for least, kept in ((20, 1), (99.9, 0)):
            quality = TranslationQualityConfig(min_score=0, min_round_trip=least, detector="none")
            manifest = run(folder, tmp_path / f"out{kept}", translator="apertium", quality=quality)
            assert manifest.rows_out == kept
        (line,) = store.rejects(tmp_path / "out0")
        assert line["reason"] == "poor_translation" and "chrF after a round trip" in line["detail"]

    @pytest.mark.apertium("eng-spa", "eng-cat")
    def test_a_plan_says_what_it_would_cost(self, tmp_path):
        rows = [row(("user", f"What is the number {n}?"), ("assistant", f"It is the number {n}.")) for n in range(50)]
        folder = write_stage(tmp_path / "in", rows, parts=3)
        estimate = of_translate([folder], TranslateConfig(translator="apertium", to=("spa", "cat"), run=IN_MEMORY))
        assert (estimate.rows, estimate.languages, estimate.pairs, estimate.lines) == (50, 2, 100, 200)
        assert estimate.characters == 2 * sum(len(turn.content) for one in rows for turn in one.messages)
        assert estimate.seconds > 0 and estimate.usd is None


def test_nothing_is_lost_of_what_an_engine_does_not_know(recorded, tmp_path):
    spec = recorded({"How are you?": "¿Cómo estás?", "Well.": "Bien."})
    rows = [row(("user", "How are you?"), ("assistant", "Well.")), row(("user", "How are you?"), ("assistant", "Bad."))]
    manifest = run(write_stage(tmp_path / "in", rows), tmp_path / "out", translator=spec)
    assert (manifest.rows_in, manifest.rows_out, manifest.rejected) == (2, 1, {"not_translated": 1})
    assert next(store.rejects(tmp_path / "out"))["detail"] == "1 of 2 lines: no recording of it"
    (made,) = store.records(tmp_path / "out")
    assert [turn.content for turn in made.messages] == ["¿Cómo estás?", "Bien."]


def test_lost_placeholders_are_translated_around(recorded, tmp_path):
    spec = recorded({
        "Call {0} now.": "Llama ahora.",  # the engine lost it
        "Call": "Llama a",
        "now.": "ahora.",
        "Use {0} or {1} here.": "Usa {1} o {0} aquí.",
    })  # fmt: skip
    rows = [row(("user", "Call `run()` now."), ("assistant", "Use `a` or `b` here."))]
    run(write_stage(tmp_path / "in", rows), tmp_path / "out", translator=spec)
    (made,) = store.records(tmp_path / "out")
    assert [turn.content for turn in made.messages] == ["Llama a `run()` ahora.", "Usa `b` o `a` aquí."]


def test_tools_and_data_stay_as_they_are(recorded, tmp_path):
    spec = recorded({"What is the weather?": "¿Qué tiempo hace?", "It is 25 degrees.": "Hay 25 grados."})
    call, result = '{"name": "weather", "arguments": {"place": "Good day"}}', "Good day, it is cold"
    rows = [
        row(("user", "What is the weather?"), ("assistant", call), ("tool", result), ("assistant", "It is 25 degrees."))
    ]
    run(write_stage(tmp_path / "in", rows), tmp_path / "out", translator=spec)
    (made,) = store.records(tmp_path / "out")
    assert [turn.content for turn in made.messages] == ["¿Qué tiempo hace?", call, result, "Hay 25 grados."]


def test_poor_translations_are_turned_away_with_their_scores(recorded, tmp_path):
    question, answer = "Why is the sky blue on a clear day?", "Because short waves are scattered more than long ones."
    good, loop = "¿Por qué el cielo es azul en un día claro?", "Porque las ondas " + "cortas y " * 40
    spec = recorded({question: good, answer: loop})
    folder = write_stage(tmp_path / "in", [row(("user", question), ("assistant", answer))])
    manifest = run(folder, tmp_path / "out", translator=spec, quality=TranslationQualityConfig())
    assert manifest.rejected == {"poor_translation": 1} and manifest.languages["spa_Latn"].rows_out == 0
    (line,) = store.rejects(tmp_path / "out")
    assert "loops 0." in line["detail"] and line["language"] == "spa_Latn"
    assert run(folder, tmp_path / "all", translator=spec).rows_out == 1


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ("```python\nprint('Good day')\n```", True),
        ("\n~~~\nGood day\n~~~\n\n42\n", True),
        ("42", True),
        ("It is so.", True),
        ('{"answer": "Good day"}', False),
        ("```\nGood day, this block has no end.", False),
        ("`good_day`", False),
        ("<pre>Good day</pre>", False),
    ],
)
def test_an_answer_that_stays_as_it_is_tells_no_language(answer, kept):
    (made,), _ = make(lambda line: Translated("Bien."), row(("user", "What is it?"), ("assistant", answer)))
    if kept:
        assert made.language == "spa_Latn"
    else:
        assert made.reason == "no_translator" and made.detail == "nothing in its answer is language to be translated"


@pytest.mark.parametrize("role", ["system", "user", "assistant", "tool"])
def test_a_row_with_an_empty_turn_is_turned_away(role):
    turns = [(one, " \n" if one == role else "Good day") for one in ("system", "user", "tool", "assistant")]
    (made,), engine = make(lambda line: Translated("Bien."), row(*turns))
    assert (made.reason, made.detail) == ("not_translated", f"an empty {role} turn") and engine.lines == []


def test_sentences_of_a_turn_stand_apart():
    one = row(("user", "今天很好。我们走吧！"), ("assistant", "好。"), language="zho_Hans")
    (made,), _ = make(lambda line: Translated("Bien."), one)
    assert made.messages[0].content == "Bien. Bien."


def test_roles_that_cannot_be_are_told():
    for roles, told in ((("user", "human"), "'human': expected some of"), (("user",), "without assistant")):
        with pytest.raises(ConfigError, match=told):
            TranslateConfig(roles=roles)


class Engine:
    """Gives what its test wants: faults that no real engine can be made to have."""

    placeholder, whole_lines = "<{}>", False

    def __init__(self, change):
        self.change, self.lines = change, []

    def signature(self, targets):
        return "tests"

    def generator(self, source, target):
        return "tests"

    def translate(self, lines, source, target):
        self.lines += lines
        return [self.change(line) for line in lines]


def make(change, *rows, **options):
    options = {"translator": "replay:x", "to": ("spa_Latn",), "quality": KEEP_ALL, **options}
    engine = Engine(change)
    return TranslationMaker(TranslateConfig(**options), engine).make(rows), engine


def test_line_ends_and_odd_characters_of_an_engine_break_no_line():
    (made,), _ = make(
        lambda line: Translated(f"uno\r\ndos\x00 e\u0301 {line}\n"), row(("user", "A b\nC d"), ("assistant", "E f"))
    )
    assert made.messages[0].content == "uno dos é A b\nuno dos é C d"


def test_an_empty_translation_is_none():
    (made,), _ = make(lambda line: Translated(" \n"), row(("user", "A b"), ("assistant", "C d")))
    assert made.reason == "not_translated" and "2 of 2 lines: an empty translation" in made.detail


def test_marks_that_an_engine_makes_up_never_reach_a_row():
    rows = [
        row(("user", "Use `a` now"), ("assistant", "Good day")),
        row(("user", "What day?"), ("assistant", "Good day")),
    ]
    (lost, kept), _ = make(lambda line: Translated(line + " \ue000" + "<0><7>" * ("day" not in line)), *rows)
    assert lost.reason == "lost_structure" and "`a`" in lost.detail
    assert kept.target == "Good day"


def test_each_different_line_is_translated_once():
    rows = [row(("user", "The same question?"), ("assistant", f"Answer {n % 3}.")) for n in range(30)]
    made, engine = make(lambda line: Translated(line.upper()), *rows)
    assert len(made) == 30 and Counter(engine.lines).most_common(1)[0][1] == 1 and len(engine.lines) == 4


def test_what_a_budget_no_longer_allows_is_told_first():
    from collection.reject import Reason

    def change(line):
        return Untranslated(Reason.OVER_BUDGET if "b" in line else Reason.NOT_TRANSLATED, "no")

    (made,), _ = make(change, row(("user", "a"), ("assistant", "b")))
    assert made.reason is Reason.OVER_BUDGET


def test_what_cannot_be_asked_for_is_told(recorded, tmp_path):
    folder = write_stage(tmp_path / "in", [row(("user", "How are you?"), ("assistant", "Well."))])
    spec = recorded({"How are you?": "¿Cómo estás?", "Well.": "Bien."})
    for options, error, told in (
        ({"translator": ""}, ConfigError, "--translator apertium"),
        ({"translator": spec, "to": ()}, ConfigError, "--to LANGUAGES"),
        ({"translator": spec, "to": ("klingonish",)}, UnknownNameError, "klingonish"),
        ({"translator": "apertim"}, UnknownNameError, "apertium"),
    ):
        with pytest.raises(error, match=told):
            run(folder, tmp_path / "out", **options)
    quality = TranslationQualityConfig(min_round_trip=50)
    with pytest.raises(UserError, match="needs a way back"):
        run(folder, tmp_path / "out", translator=spec, quality=quality)


def test_another_recording_is_another_run(recorded, tmp_path):
    folder = write_stage(tmp_path / "in", [row(("user", "How are you?"), ("assistant", "Well."))])
    spec = recorded({"How are you?": "¿Cómo estás?", "Well.": "Bien."})
    run(folder, tmp_path / "out", translator=spec)
    assert run(folder, tmp_path / "out", translator=spec, to=("spanish",)).rows_out == 1  # the same language
    recorded({"How are you?": "¿Qué tal?", "Well.": "Bien."})
    with pytest.raises(OutputError, match=r"versions\.translator"):
        run(folder, tmp_path / "out", translator=spec)


def test_recorded_translations_of_flores_are_kept_or_turned_away(shared, tmp_path):
    place = shared("data/recorded_mt_flores")
    lines = next(place.rglob("flores-test.en")).read_text("utf-8").splitlines()[:200]
    rows = [row(("user", a), ("assistant", b)) for a, b in zip(lines[::2], lines[1::2], strict=True)]
    manifest = run(
        write_stage(tmp_path / "in", rows),
        tmp_path / "out",
        translator=f"replay:{place}?system=nllb",
        to=("tha_Thai", "amh_Ethi", "hin_Deva", "mya_Mymr", "zho_Hans"),
        quality=TranslationQualityConfig(),
    )
    assert manifest.rows_in == 500
    rejected = manifest.rejected["poor_translation"]
    # A row of two sentences of FLORES is cut into more where its lines hold several; those were not recorded.
    assert manifest.rows_out + rejected + manifest.rejected.get("not_translated", 0) == 500 and rejected > 5
