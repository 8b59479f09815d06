"""The table of formats, plain lines, SQuAD's documents, tables of other layouts, and files that must be read whole."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core import tables
from core.errors import SourceError
from core.tables import FORMATS, RowFault, Slice, uncompressed_name


def texts(path):
    return [row.data["text"] for row in tables.rows(path, "lines")]


def test_only_a_line_feed_ends_a_line_and_empty_lines_count(tmp_path):
    path = tmp_path / "x.txt"
    path.write_bytes("\ufeffmoja\u2028bado\r\n\r\nतीन\x85\x0b\n".encode())
    assert texts(path) == ["moja\u2028bado", "", "तीन\x85\x0b"]
    assert [row.number for row in tables.rows(path, "lines")] == [1, 2, 3]
    path.write_bytes(b"")
    assert texts(path) == []
    path.write_bytes("ไม่มีท้ายบรรทัด".encode())
    assert texts(path) == ["ไม่มีท้ายบรรทัด"]


def test_lines_are_decompressed_and_decoded_by_their_byte_order_mark(tmp_path):
    path = tmp_path / "swh_Latn.txt.gz"
    path.write_bytes(gzip.compress(b"habari\nyako\n", mtime=0))
    assert texts(path) == ["habari", "yako"] and uncompressed_name(path) == "swh_Latn.txt"
    path = tmp_path / "x.txt"
    path.write_bytes("ሰላም\nዓለም\n".encode("utf-16"))
    assert texts(path) == ["ሰላም", "ዓለም"]


def test_a_line_that_is_not_utf_8_is_a_bad_row_and_its_neighbours_are_read(tmp_path):
    path = tmp_path / "x.txt"
    path.write_bytes(b"one\n\xff\nthree\n")
    [(first, bad, third)] = filter(None, tables.read(Slice(str(path), "x.txt", "lines")))
    assert (first.data["text"], third.data["text"]) == ("one", "three")
    assert (bad.fault, bad.location, bad.raw) == (RowFault.INVALID_ENCODING, "x.txt:2", "\\xff")


QUESTION = {"id": 7, "question": "أين علي؟", "answers": [{"text": "هناك", "answer_start": 14}]}


def squad(tmp_path, paragraph) -> Path:
    path = tmp_path / "ar.json"
    path.write_text(json.dumps({"data": [{"title": "t", "paragraphs": [paragraph]}]}), "utf-8")
    return path


def test_a_squad_document_is_a_row_a_question(tmp_path):
    path = squad(tmp_path, {"context": "محمد هنا. علي هناك.", "qas": [QUESTION], "sentence_breaks": [[0, 9], [10, 19]]})
    (row,) = tables.rows(path, "squad")
    assert row.data == {
        "id": "7",
        "title": "t",
        "context": "محمد هنا. علي هناك.",
        "question": "أين علي؟",
        "answers": QUESTION["answers"],
        "sentence_breaks": [[0, 9], [10, 19]],
    }


def test_a_question_that_is_not_in_squads_form_says_which(tmp_path):
    path = squad(tmp_path, {"context": "x", "qas": [QUESTION, {"id": 2}]})
    with pytest.raises(SourceError, match=r"ar\.json:2 cannot be read as squad: .* after question 2: KeyError"):
        list(tables.rows(path, "squad"))
    path.write_text("[]")
    with pytest.raises(SourceError, match="cannot be read as squad"):
        list(tables.rows(path, "squad"))


def test_tables_without_a_header_line_or_quotation_marks(tmp_path):
    path = tmp_path / "x.tsv"
    path.write_text('a "b\t2\n"c\t3\n', "utf-8")
    reader = FORMATS["tsv"].with_layout(["q", "n"], quoted=False)
    assert [row.data for row in tables.rows(path, "tsv", reader)] == [{"q": 'a "b', "n": "2"}, {"q": '"c', "n": "3"}]
    assert FORMATS["jsonl"].with_layout(["q"], quoted=False) is FORMATS["jsonl"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.tsv", b"a\tb\n1\n", r"x\.tsv:1 cannot be read as tsv: 1 fields, expected 2"),
        ("x.jsonl", b'{"a": 1}\n[1]\n', r"x\.jsonl:2 cannot be read as jsonl: JSON of type array"),
        ("x.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 999, mtime=0)[:-9], r"x\.jsonl\.gz:\d+ cannot be read as jsonl"),
        ("x.parquet", b"PAR1", r"x\.parquet cannot be read as parquet"),
        ("absent.csv", None, r"absent\.csv cannot be read as csv: No such file"),
    ],
)
def test_a_file_that_must_be_read_whole_ends_at_its_first_bad_row(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=message):
        list(tables.rows(path, tables.format_of(path)))


def test_a_file_mentions_words_in_its_head_or_its_columns(tmp_path):
    pq.write_table(pa.table({"premise": ["hypothesis"]}), tmp_path / "x.parquet")
    assert FORMATS["parquet"].mentions(tmp_path / "x.parquet", ["premise"])
    assert not FORMATS["parquet"].mentions(tmp_path / "x.parquet", ["hypothesis"])
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(b'{"premise": 1}\n', mtime=0))
    assert FORMATS["jsonl"].mentions(tmp_path / "x.jsonl.gz", ['"premise"'])
    assert not FORMATS["jsonl"].mentions(tmp_path / "x.jsonl.gz", ["hypothesis"])


def test_no_two_formats_share_a_suffix():
    suffixes = [suffix for reader in FORMATS.values() for suffix in reader.suffixes]
    assert len(suffixes) == len(set(suffixes)) == 6
