"""Near duplicates: all that are alike are found, nothing else goes, in every script; clusters keep their best row."""

import json
import random
import re
from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest

from collection import labelled, store
from collection.languages import resolve
from collection.manifest import KEPT, Manifest, Tally
from collection.record import Message, Record
from collection.shingles import comparable, shingle_rule
from collection.store import PartWriter
from collection.validate import problems
from core import config as configuration
from core.errors import ConfigError
from pipelines.build.job import BuildConfig, build
from pipelines.build.near_duplicates import bands, similarity
from pipelines.build.phase import DuplicateConfig
from pipelines.runner import RunConfig

RUN = RunConfig(mode="in_memory")
WORDS = (
    "jua mvua mto bahari mlima nyota upepo moto ardhi mti ndege samaki nyumba njia mji soko shule kitabu rafiki".split()
)


def text(seed, words=40):
    drawn = random.Random(seed)
    return " ".join(drawn.choice(WORDS) + drawn.choice(WORDS) for _ in range(words))


def row(number, answer, prompt="Eleza.", language="swh_Latn", origin="human"):
    return Record(
        f"{number:032x}", language, (Message("user", prompt), Message("assistant", answer)), "s", origin=origin
    )


def finished_stage(folder, rows):
    """A folder as an earlier stage leaves it."""
    tally = Tally()
    with PartWriter(folder, 0, 1) as part:
        part.write(rows)
    for one in rows:
        tally.outcomes[one.source, one.language, KEPT] += 1
    Manifest.of("ingest", tally, 1, complete=True).write(folder)
    return folder


def built(tmp_path, parts, against=(), **duplicates):
    """Which ids went, each with the id of its cluster, after a build of parts of records."""
    folders = [finished_stage(tmp_path / f"in-{index}", rows) for index, rows in enumerate(parts)]
    there = [finished_stage(tmp_path / f"there-{index}", rows) for index, rows in enumerate(against)]
    config = BuildConfig(duplicates=DuplicateConfig(**duplicates), run=RUN)
    build(folders, config, tmp_path / "out", against=there)
    assert list(problems(tmp_path / "out")) == []
    removed = {}
    for reject in store.rejects(tmp_path / "out"):
        if reject["reason"] == "near_duplicate":
            told = re.fullmatch(r"(\d\.\d\d) alike, in the cluster of ([0-9a-f]{32})", reject["detail"])
            removed[int(reject["id"], 16)] = int(told[2], 16)
    return removed


def one_word_changed(words, place=17):
    changed = words.split(" ")
    changed[place] = "tofauti"
    return " ".join(changed)


def test_a_row_with_a_word_changed_goes_and_says_whose_cluster_it_is_in(tmp_path):
    assert built(tmp_path, [[row(1, text(1, 80)), row(2, text(2, 80)), row(3, one_word_changed(text(1, 80)))]]) == {
        3: 1
    }
    (reject,) = store.rejects(tmp_path / "out")
    assert (reject["stage"], reject["language"], reject["location"]) == (
        "deduplicate",
        "swh_Latn",
        "in-0/data/part-00000-of-00001.parquet:3",
    )
    assert json.loads(reject["raw"])[1]["content"] == one_word_changed(text(1, 80))
    assert float(reject["detail"][:4]) == pytest.approx(71 / 81, abs=0.01)


def test_of_a_cluster_the_row_by_a_person_stays_then_the_first(tmp_path):
    rows = [
        row(1, text(1, 80), origin="synthetic"),
        row(2, one_word_changed(text(1, 80), 10), origin="template"),
        row(3, one_word_changed(text(1, 80), 20), origin="human"),
        row(4, one_word_changed(text(1, 80), 30), origin="human"),
    ]
    assert built(tmp_path, [rows[:2], rows[2:]]) == {1: 3, 2: 3, 4: 3}


def test_what_hangs_together_through_others_is_one_cluster(tmp_path):
    chain = [text(1, 80)]
    for place in (10, 30, 50, 70):
        chain.append(one_word_changed(chain[-1], place))
    removed = built(tmp_path, [[row(number, one) for number, one in enumerate(chain, 1)]])
    assert removed == {2: 1, 3: 1, 4: 1, 5: 1}  # the first and the last are less than 0.8 alike


@pytest.mark.parametrize("across_templates", [False, True])
def test_twins_are_found_behind_many_rows_with_the_same_long_prompt(tmp_path, across_templates):
    rows = []
    for passage in range(5):
        prompt = text(passage, 900)
        for answer in range(20):
            told = text(1_000 + 100 * passage + answer, 30)
            rows += [row(len(rows), told, prompt), row(len(rows) + 1, one_word_changed(told, 29), prompt)]
    random.Random(0).shuffle(rows)
    removed = built(tmp_path, [rows[:77], rows[77:]], across_templates=across_templates)
    assert len(removed) == 100 and {tuple(sorted(pair)) for pair in removed.items()} == {
        (n, n + 1) for n in range(0, 200, 2)
    }


def test_twins_are_found_behind_the_same_answers_from_other_templates(tmp_path):
    rows = []
    for passage in range(8):
        prompt = text(passage, 300)
        for template in range(10):
            for twin in range(2):
                said = f"Kiolezo {template}: {prompt if twin else one_word_changed(prompt)}"
                one = row(len(rows), "Ndiyo.", said)
                rows.append(replace(one, dataset="d", template=f"t{template}"))
    random.Random(0).shuffle(rows)
    removed = built(tmp_path, [rows])
    assert len(removed) == 80 and all(a // 2 == b // 2 for a, b in removed.items())


def test_pairs_of_long_rows_are_compared_few_at_once(tmp_path, monkeypatch):
    sizes, compute = [], similarity.similarity
    monkeypatch.setattr(similarity, "_SHINGLES_AT_ONCE", 20_000)
    monkeypatch.setattr(similarity, "similarity", lambda a, b: sizes.append(int(a.sizes().sum())) or compute(a, b))
    prompt = text(1, 900)
    rows = [row(n, text(n // 2, 40) if n % 2 else one_word_changed(text(n // 2, 40), 39), prompt) for n in range(100)]
    assert len(built(tmp_path, [rows])) == 50
    assert len(sizes) > 5 and max(sizes) < 20_000


def test_the_same_prompt_with_another_answer_is_no_duplicate(tmp_path):
    long = text(1, 200)
    rows = [
        row(1, "Ndiyo.", long),
        row(2, "Hapana.", long),
        row(3, text(3, 12), long),
        row(4, text(4, 12), long),
        row(5, "Ndiyo.", long + " sana"),
    ]
    assert built(tmp_path, [rows]) == {5: 1}


def test_templates_of_one_data_set_say_the_same_in_many_ways_on_purpose(tmp_path):
    def made(number, place, dataset, template):
        return replace(row(number, "Ndiyo.", one_word_changed(text(1, 120), place)), dataset=dataset, template=template)

    rows = [made(1, 10, "boolq", "a"), made(2, 40, "boolq", "b"), made(3, 70, "copa", "c"), made(4, 25, "boolq", "a")]
    assert built(tmp_path / "1", [rows[:2]]) == {}
    assert built(tmp_path / "2", [rows[:2]], across_templates=True) == {2: 1}
    assert built(tmp_path / "3", [rows[::2]]) == {3: 1}
    assert built(tmp_path / "4", [rows[::3]]) == {4: 1}


def test_the_same_text_in_another_language_is_no_duplicate(tmp_path):
    rows = [row(1, text(1, 80)), row(2, one_word_changed(text(1, 80)), language="kin_Latn")]
    assert built(tmp_path, [rows]) == {}


@pytest.mark.parametrize(("threshold", "removed"), [(0.95, {}), (0.85, {2: 1}), (0.5, {2: 1, 3: 1})])
def test_the_threshold_can_be_set(tmp_path, threshold, removed):
    rows = [
        row(1, text(1, 80)),
        row(2, one_word_changed(text(1, 80))),
        row(3, one_word_changed(one_word_changed(one_word_changed(text(1, 80), 12), 32), 52)),
    ]
    assert built(tmp_path, [rows], threshold=threshold) == removed


@pytest.mark.parametrize("threshold", [0, -1, 0.3, 1.5, float("nan"), float("inf")])
def test_a_threshold_that_makes_no_sense_is_an_error(threshold):
    with pytest.raises(ConfigError, match=r"duplicates\.threshold"):
        configuration.build(BuildConfig, {"duplicates": {"threshold": threshold}})


def test_near_duplicates_can_be_kept(tmp_path):
    assert built(tmp_path, [[row(1, text(1, 80)), row(2, one_word_changed(text(1, 80)))]], near=False) == {}


def test_twins_on_both_sides_of_the_limit_of_words_are_found(tmp_path):
    # 20 words are compared by words, 19 by characters: the longer one is cut both ways.
    assert built(tmp_path, [[row(1, text(1, 26), "?"), row(2, " ".join(text(1, 26).split(" ")[:-2]), "?")]]) == {2: 1}
    rows = [row(1, text(1, 21), "?"), row(2, " ".join(text(1, 21).split(" ")[:-2]), "?")]
    assert built(tmp_path / "b", [rows]) == {2: 1}


def test_rows_too_short_for_a_shingle_are_left_alone(tmp_path):
    rows = [
        row(1, "はい", "?", "jpn_Jpan"),
        row(2, "いい", "?", "jpn_Jpan"),
        row(3, "ใช่", "?", "tha_Thai"),
        row(4, "", "", "tha_Thai"),
    ]
    rows = [one for one in rows if one.target]
    assert built(tmp_path, [rows]) == {}


def test_rows_that_were_there_push_others_out_and_are_not_written(tmp_path):
    old = [row(1, text(1, 80), origin="synthetic"), row(2, text(2, 80), origin="synthetic")]
    new = [row(11, one_word_changed(text(1, 80))), row(12, text(2, 80)), row(13, text(3, 80))]
    assert built(tmp_path, [new], [old]) == {11: 1}
    assert {int(one.id, 16) for one in store.records(tmp_path / "out")} == {13}
    assert Counter(reject["reason"] for reject in store.rejects(tmp_path / "out")) == {
        "near_duplicate": 1,
        "exact_duplicate": 1,
    }


def test_a_key_of_many_rows_costs_no_more_than_its_rows(tmp_path):
    # A thousand copies, all in the same buckets: pairs grow with the rows, not with their square.
    rows = [row(number, one_word_changed(text(1, 120), number % 100)) for number in range(1000)]
    with PartWriter(tmp_path, 0, 1) as part:
        part.write(rows)
    (path,) = store.parts(tmp_path)
    bands.write_bands(path, tmp_path / "bands", {}, 1)
    pairs = bands.find_pairs([tmp_path / "bands"], np.array([0]), 0, 1, tmp_path / "pairs", tmp_path / "in")
    assert pairs < 2 * 14 * len(rows)


def test_buckets_and_parts_make_no_difference(tmp_path, monkeypatch):
    rows = [row(100 * n + k, one_word_changed(text(n, 120), 7 * k)) for n in range(60) for k in range(3)]
    expected = built(tmp_path / "one", [rows])
    assert len(expected) == 120
    monkeypatch.setattr(bands, "_BANDS_A_BUCKET", 300)
    monkeypatch.setattr(similarity, "_PAIRS_AT_ONCE", 7)
    assert built(tmp_path / "many", [rows[:50], rows[50:51], rows[51:]]) == expected


# The measure of it: real sentences in two hundred languages.


def pieces(code, one):
    """Shingles by plain Python."""
    shape, one = shingle_rule(resolve(code)), comparable(one)
    words, size = one.split(" "), shape.characters
    return (
        {tuple(words[i : i + 5]) for i in range(len(words) - 4)} if shape.spaced and len(words) >= 20 else set(),
        {one[i : i + size] for i in range(len(one) - size + 1)} if not shape.spaced or len(words) < 25 else set(),
    )


def share(code, one, other):
    for a, b in zip(pieces(code, one), pieces(code, other), strict=True):
        if a and b:
            return len(a & b) / len(a | b)
    return 0.0


def alike(code, one, other):
    whole = share(code, f"{one.prompt} {one.target}", f"{other.prompt} {other.target}")
    same = comparable(one.target) == comparable(other.target)
    return whole if same else min(whole, share(code, one.target, other.target))


@pytest.fixture(scope="module")
def planted(shared, tmp_path_factory):
    """Rows of SIB-200, near copies of some, and what a build made of them."""
    drawn = random.Random(5)
    rows, copies = [], []
    for language, sentences in labelled.read(shared("data/sib200") / "annotated", 120):
        for first in range(0, len(sentences) - 5, 6):
            rows.append(row(len(rows), " ".join(sentences[first + 1 : first + 6]), sentences[first], language.code))
            if drawn.random() < 0.5:
                copies.append((rows[-1], changed(rows[-1], drawn)))
    twins = [row(10**6 + number, copy, one.prompt, one.language) for number, (one, copy) in enumerate(copies)]
    tmp_path = tmp_path_factory.mktemp("planted")
    removed = built(tmp_path, [rows, twins])
    return rows, twins, [one for one, _ in copies], removed


def changed(one, drawn):
    """The answer with one to three places changed: a word, or some characters where there are no spaces."""
    answer = one.target
    for _ in range(drawn.choice((1, 1, 2, 3))):
        if resolve(one.language).script.spaced:
            words = answer.split(" ")
            words[drawn.randrange(len(words))] = f"xqz{drawn.randrange(1000)}"
            answer = " ".join(words)
        else:
            place = drawn.randrange(len(answer))
            answer = f"{answer[:place]}x{drawn.randrange(1000)}{answer[place + 2 :]}"
    return answer


def test_planted_twins_are_found_in_every_language(planted):
    _, twins, originals, removed = planted
    truly = [(a, b) for a, b in zip(originals, twins, strict=True) if alike(a.language, a, b) >= 0.8]
    assert len(truly) > 1000 and len({a.language for a, _ in truly}) > 100
    found = [int(a.id, 16) in removed or int(b.id, 16) in removed for a, b in truly]
    assert sum(found) >= 0.95 * len(found)
    print(
        f"recall {sum(found) / len(found):.4f} of {len(found)} pairs in {len({a.language for a, _ in truly})} languages"
    )


def test_whatever_went_has_a_twin_in_its_cluster(planted):
    rows, twins, _, removed = planted
    by_id = {int(one.id, 16): one for one in [*rows, *twins]}
    clusters = defaultdict(set)
    for one, cluster in removed.items():
        clusters[cluster] |= {one, cluster}
    wrong = [
        one
        for one, cluster in removed.items()
        if not any(alike(by_id[one].language, by_id[one], by_id[other]) >= 0.8 for other in clusters[cluster] - {one})
    ]
    assert wrong == []
