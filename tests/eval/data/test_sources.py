import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from parity import task

from core.errors import SourceError
from eval.data.sources import Reader, Tree, content_hash, find_sources, read_rows, take
from eval.suites.catalogue import built_in
from eval.task import Files


def _about(form, **more):
    return Files(("x",), form, **more)


def test_line_breaks_of_other_kinds_end_no_line(tmp_path):
    path = tmp_path / "x.txt"
    path.write_bytes("\ufeffone\u2028still one\r\n\r\nthree\x0bstill\n".encode())
    assert [row["text"] for row in read_rows(path, _about("lines"))] == ["one\u2028still one", "", "three\x0bstill"]
    path.write_bytes(b"")
    assert list(read_rows(path, _about("lines"))) == []


def test_tables_with_and_without_a_head_and_quotation_marks(tmp_path):
    path = tmp_path / "x.tsv"
    path.write_text('a\tb\n"he said ""yes"""\t1\n', "utf-8")
    assert list(read_rows(path, _about("tsv"))) == [{"a": 'he said "yes"', "b": "1"}]
    path.write_text('a "b\t2\n', "utf-8")
    assert list(read_rows(path, _about("tsv", columns=("q", "n"), quoted=False))) == [{"q": 'a "b', "n": "2"}]
    path.write_text("a\tb\n1\n", "utf-8")
    with pytest.raises(SourceError, match=r"x\.tsv:1 cannot be read as tsv: 1 fields, expected 2"):
        list(read_rows(path, _about("tsv")))


def test_json_lines_parquet_and_what_is_neither(tmp_path):
    lines, table = tmp_path / "x.jsonl", tmp_path / "x.parquet"
    lines.write_text('{"a": "\u0939"}\n\n{"a": 2}\n', "utf-8")
    assert list(read_rows(lines, _about("jsonl"))) == [{"a": "ह"}, {"a": 2}]
    pq.write_table(pa.table({"a": [["x", "y"]]}), table)
    assert list(read_rows(table, _about("parquet"))) == [{"a": ["x", "y"]}]
    for path, form in ((lines, "parquet"), (table, "jsonl"), (table, "squad")):
        with pytest.raises(SourceError, match=f"cannot be read as {form}"):
            list(read_rows(path, _about(form)))
    lines.write_text("[1]\n")
    with pytest.raises(
        SourceError, match=r"x\.jsonl:1 cannot be read as jsonl: JSON of type array, expected an object"
    ):
        list(read_rows(lines, _about("jsonl")))


def test_sentences_of_passages_come_from_their_breaks(tmp_path):
    context = "محمد هنا. علي هناك."
    breaks = [[0, 9], [10, 19]]
    question = {
        "id": "q1",
        "question": "أين علي؟",
        "answers": [{"text": "هناك", "answer_start": context.index("هناك")}],
    }
    paragraph = {"context": context, "qas": [question], "sentence_breaks": breaks}
    path = tmp_path / "ar.json"
    path.write_text(json.dumps({"data": [{"title": "t", "paragraphs": [paragraph]}]}), "utf-8")
    (row,) = read_rows(path, _about("squad"))
    assert row["sentence"] == "علي هناك." and row["sentences"] == ["محمد هنا.", "علي هناك."]


def test_sides_of_different_length_are_refused(sentences):
    (sentences / "tatoeba.heb-eng.eng").write_text("Good morning\n")
    found = find_sources(built_in()["tatoeba"], [Tree.of(str(sentences))])
    with pytest.raises(SourceError, match=r"heb has 4 lines, .*eng has 1: expected as many"):
        Reader(built_in()["tatoeba"]).rows(found.sources["heb_Hebr"])


def test_what_is_left_out_is_told(sentences):
    (sentences / "tatoeba.xx-eng.xx").write_text("a\n")
    (sentences / "tatoeba.kat-eng.kat").write_text("ა\n", "utf-8")
    found = find_sources(built_in()["tatoeba"], [Tree.of(str(sentences))])
    assert sorted(found.sources) == ["heb_Hebr", "jpn_Jpan", "swh_Latn"]
    assert "is of no known language ('xx')" in " ".join(found.notes)
    assert "Georgian) lacks the file tatoeba.kat-eng.eng" in " ".join(found.notes)


def test_one_language_twice_is_told_and_taken_once(sentences, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for name in ("tatoeba.he-eng.he", "tatoeba.he-eng.eng"):
        (other / name).write_text("x\n")
    found = find_sources(built_in()["tatoeba"], [Tree.of(str(sentences)), Tree.of(str(other))])
    assert found.sources["heb_Hebr"].path.parent == sentences and "left out" in found.notes[0]


def test_rows_are_joined_by_a_column(tmp_path):
    for code, lines in (
        ("eng_Latn", "index_id\tcategory\ttext\n2\tx\ttwo\n1\tx\tone\n"),
        ("tam_Taml", "index_id\tcategory\ttext\n1\tx\tஒன்று\n3\tx\tமூன்று\n"),
    ):
        (tmp_path / code).mkdir()
        (tmp_path / code / "test.tsv").write_text(lines, "utf-8")
    one = built_in()["sib200_to_english"]
    found = find_sources(one, [Tree.of(str(tmp_path))])
    (row,) = Reader(one).rows(found.sources["tam_Taml"])
    assert list(found.sources) == ["tam_Taml"] and (row["text"], row["other_text"]) == ("ஒன்று", "one")


def test_the_same_items_of_parallel_sets_are_taken_in_every_language():
    rows = [{"id": n} for n in range(100)]
    mixed = [{"id": n} for n in reversed(range(100))]
    first = {rows[place]["id"] for place in take(rows, 10, lambda place: rows[place]["id"])}
    second = {mixed[place]["id"] for place in take(mixed, 10, lambda place: mixed[place]["id"])}
    assert first == second and len(first) == 10 and take(rows, 0, None) == list(range(100))


def test_content_hashes_tell_items_apart():
    assert content_hash([["a", "b"]]) == content_hash([["a", "b"]]) != content_hash([["ab"]])


def test_places_without_data(tmp_path):
    with pytest.raises(SourceError, match="there is no data at"):
        Tree.of(str(tmp_path / "none"))
    assert find_sources(task("bitext"), [Tree.of(str(tmp_path))]).sources == {}


def test_a_data_set_of_the_hub_that_cannot_be_fetched_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(SourceError, match="hf://nobody/nothing cannot be fetched"):
        Tree.of("hf://nobody/nothing")


def test_sets_in_parquet_are_told_by_their_columns_and_shards_are_one_split(tmp_path):
    one = built_in()["xnli"]
    (tmp_path / "sw").mkdir()
    for shard in range(2):
        rows = {"premise": ["ndefu " * 60_000] * 2, "hypothesis": ["h"] * 2, "label": [0, 1]}
        pq.write_table(pa.table(rows), tmp_path / f"sw/validation-0000{shard}-of-00002.parquet", compression="none")
    pq.write_table(pa.table({"text": ["x"]}), tmp_path / "sw/test-00000-of-00001.parquet")
    found = find_sources(one, [Tree.of(str(tmp_path))])
    assert len(Reader(one).rows(found.sources["swh_Latn"])) == 4 and found.sources["swh_Latn"].split == "validation"


def test_another_copy_of_a_set_is_left_out_and_told(tmp_path, write_lines):
    one = built_in()["xcopa"]
    row = {"premise": "p", "choice1": "a", "choice2": "b", "question": "cause", "label": 0, "idx": 0}
    for folder in ("data", "data-gmt"):
        write_lines(tmp_path / folder / "sw/test.sw.jsonl", [row])
    found = find_sources(one, [Tree.of(str(tmp_path))])
    assert "data-gmt/sw is left out" in found.notes[0] and len(Reader(one).rows(found.sources["swh_Latn"])) == 1


def test_nan_is_null_and_rows_without_a_partner_are_told(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": NaN, "b": 1}\n')
    assert list(read_rows(path, _about("jsonl"))) == [{"a": None, "b": 1}]
    for code, ids in (("eng_Latn", "12"), ("tam_Taml", "13")):
        (tmp_path / code).mkdir()
        lines = "".join(f"{number}\tx\tt\n" for number in ids)
        (tmp_path / code / "test.tsv").write_text("index_id\tcategory\ttext\n" + lines)
    one = built_in()["sib200_to_english"]
    reader = Reader(one)
    assert len(reader.rows(find_sources(one, [Tree.of(str(tmp_path))]).sources["tam_Taml"])) == 1
    assert "1 rows of" in reader.notes[0] and "have no partner" in reader.notes[0]
