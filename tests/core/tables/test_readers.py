"""Rows of files: every format gives the same rows, and each bad row says where and why."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import itertools
import json
import lzma
import os
import zlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from core import tables
from core.tables import BadRow, Slice, format_of, raw_text

ROWS = [
    {"inputs": "ما عاصمة مصر؟", "targets": "القاهرة"},
    {"inputs": "מה השעה?", "targets": 'שעה שש, "בערך"'},
    {"inputs": "เมืองหลวงของไทยคืออะไร", "targets": "กรุงเทพมหานคร\nครับ"},
    {"inputs": "Bạn khỏe không?", "targets": "Tôi khỏe"},
    {"inputs": "Како сте? Kako ste?", "targets": "Добро, hvala 👩‍👩‍👧"},
    {"inputs": "ប្រទេស", "targets": ""},
]


def read(path, **where):
    """All rows and rejects of a file, or of a slice of it."""
    part = Slice(str(path), path.name, where.pop("format", "") or format_of(path), **where)
    return list(itertools.chain.from_iterable(tables.read(part)))


def rows(found):
    return [row.data for row in found if not isinstance(row, BadRow)]


def rejects(found):
    """(fault, location) of each bad row."""
    return [(bad.fault.value, bad.location) for bad in found if isinstance(bad, BadRow)]


def as_lines(values, end="\n"):
    return end.join(json.dumps(value, ensure_ascii=False) for value in values).encode() + end.encode()


def as_array(values, **layout):
    return json.dumps(values, ensure_ascii=False, **layout).encode()


def as_table(values, delimiter):
    text = io.StringIO()
    writer = csv.DictWriter(text, list(values[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(values)
    return text.getvalue().encode()


def as_parquet(values, **layout):
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(values), sink, **layout)
    return sink.getvalue()


def lz4(data):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "lz4") as file:
        file.write(data)
    return sink.getvalue().to_pybytes()


FILES = {
    "plain.jsonl": as_lines(ROWS),
    "windows.jsonl": as_lines(ROWS, "\r\n"),
    "no_line_end.ndjson": as_lines(ROWS)[:-1],
    "blank_lines.jsonl": b"\n  \n" + as_lines(ROWS, "\n\n \t\n"),
    "marked.jsonl": b"\xef\xbb\xbf" + as_lines(ROWS),
    "UPPER.JSONL": as_lines(ROWS),
    "escaped.jsonl": "\n".join(map(json.dumps, ROWS)).encode(),
    "lines.json": as_lines(ROWS),
    "lines_after_a_blank_one.json": b"\n" + as_lines(ROWS),
    "array.json": as_array(ROWS),
    "indented.json": as_array(ROWS, indent=2),
    "marked.json": b"\xef\xbb\xbf\n" + as_array(ROWS),
    "far.json": b"\n" * 10_000 + as_array(ROWS),
    "gzip.jsonl.gz": gzip.compress(as_lines(ROWS)),
    "zstd.jsonl.zst": zstandard.compress(as_lines(ROWS)),
    "bzip.jsonl.bz2": bz2.compress(as_lines(ROWS)),
    "xz.jsonl.xz": lzma.compress(as_lines(ROWS)),
    "lz4.jsonl.lz4": lz4(as_lines(ROWS)),
    "marked.jsonl.gz": gzip.compress(b"\xef\xbb\xbf" + as_lines(ROWS)),
    "array.json.gz": gzip.compress(as_array(ROWS)),
    "array.json.zst": zstandard.compress(as_array(ROWS)),
    "table.csv": as_table(ROWS, ","),
    "marked.csv": b"\xef\xbb\xbf" + as_table(ROWS, ","),
    "table.tsv": as_table(ROWS, "\t"),
    "table.csv.bz2": bz2.compress(as_table(ROWS, ",")),
    "one_group.parquet": as_parquet(ROWS),
    "groups.parquet": as_parquet(ROWS, row_group_size=2),
}


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_the_same_rows(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(FILES[name])
    found = read(path)
    assert rows(found) == ROWS and not rejects(found)


ENCODED = {
    "utf-16": ROWS,
    "utf-16-le": ROWS,
    "utf-16-be": ROWS,
    "utf-32": ROWS,
    "gb18030": ROWS,
    "windows-1251": [{"inputs": "Како сте, пријатељу?", "targets": "Добро, хвала"}],
    "iso8859-8": [{"inputs": "מה השעה", "targets": "שש בערב"}],
    "windows-1256": [{"inputs": "ما عاصمة مصر؟", "targets": "القاهرة"}],
    "cp949": [{"inputs": "안녕하세요?", "targets": "반갑습니다"}],
    "shift_jis": [{"inputs": "表示する", "targets": "ソース\n能力"}],  # second bytes that are a backslash in ASCII
    "big5": [{"inputs": "許功蓋", "targets": "成功"}],
}


@pytest.mark.parametrize("kind", ["lines.jsonl", "lines.json", "array.json", "array.json.gz", "table.csv", "table.tsv"])
@pytest.mark.parametrize("encoding", ENCODED)
def test_every_format_of_text_is_read_in_the_encoding_that_was_named(tmp_path, encoding, kind):
    values = ENCODED[encoding]
    data = {
        "lines": as_lines(values),
        "array": as_array(values),
        "table": as_table(values, "\t" if kind.endswith(".tsv") else ","),
    }[kind.split(".")[0]]
    data = data.decode().encode(encoding)
    path = tmp_path / kind
    path.write_bytes(gzip.compress(data) if kind.endswith(".gz") else data)
    found = read(path, encoding=encoding)
    assert rows(found) == values and not rejects(found)


GOOD = '{"inputs": "Habari?", "targets": "Nzuri."}'
LINES = [
    (b"not json", "invalid_json"),
    (b'{"inputs": "Habari?", "targets": "Nz', "invalid_json"),
    (b'{"inputs": "a\x00b", "targets": "c"}', "invalid_json"),
    (b"\x00\x00\x00\x00", "invalid_json"),
    (b'{"a": 1} {"a": 2}', "invalid_json"),
    (b"[" * 50_000 + b"]" * 50_000, "invalid_json"),
    (b'{"a": ' + b"7" * 5_000 + b"}", "invalid_json"),
    (b'["inputs", "targets"]', "not_a_row"),
    ('"ชื่อ"'.encode(), "not_a_row"),
    (b"12", "not_a_row"),
    (b"null", "not_a_row"),
    (b"true", "not_a_row"),
    (b"NaN", "not_a_row"),
    (b'{"inputs": "\xff", "targets": "b"}', "invalid_encoding"),
    (b'{"inputs": "\xc3", "targets": "b"}', "invalid_encoding"),
    (b'{"inputs": "\xed\xa0\x80", "targets": "b"}', "invalid_encoding"),  # a surrogate as bytes
    ('{"inputs": "Привет"}'.encode("windows-1251"), "invalid_encoding"),
]


@pytest.mark.parametrize(("line", "reason"), LINES)
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.jsonl.gz"])
def test_a_line_that_is_not_a_row_is_one_bad_row_and_its_neighbours_are_read(tmp_path, write_lines, name, line, reason):
    path = write_lines(tmp_path / name.removesuffix(".gz"), [GOOD, line, "", GOOD, line])
    if name.endswith(".gz"):
        path = tmp_path / name
        path.write_bytes(gzip.compress((tmp_path / "rows.jsonl").read_bytes()))
    found = read(path)
    assert rows(found) == [json.loads(GOOD)] * 2
    assert rejects(found) == [(reason, f"{name}:2"), (reason, f"{name}:5")]
    assert [row.number for row in found if not isinstance(row, BadRow)] == [1, 4]


def test_the_bad_row_of_a_line_holds_its_text_whatever_its_bytes(tmp_path, write_lines):
    path = write_lines(tmp_path / "rows.jsonl", ['["ኣማርኛ"]', b'{"a": "\xff\xfe"}'])
    assert [bad.raw for bad in read(path)] == ['["ኣማርኛ"]', '{"a": "\\xff\\xfe"}']


@pytest.mark.parametrize(
    "text", ["NaN", "-Infinity", '"\\ud83d"', '"\\ude00\\ud83d"', "1" * 400, "1e999", '"\\u0000"', "-0.0"]
)
@pytest.mark.parametrize("layout", ["{}\n", "[{}]"])
def test_numbers_and_surrogates_that_only_a_lenient_parser_takes_are_rows(tmp_path, text, layout):
    path = tmp_path / "rows.json"
    path.write_text(layout.replace("{}", f'{{"inputs": "ሰላም", "odd": {text}}}'), "utf-8")
    (row,) = read(path)
    assert repr(row.data) == repr({"inputs": "ሰላም", "odd": json.loads(text)})


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json"])
def test_a_line_of_50_megabytes_is_one_row(tmp_path, write_lines, name):
    path = write_lines(tmp_path / name, [GOOD, {"inputs": "Ƙ", "targets": "ya" * 25_000_000}, GOOD])
    found = read(path)
    assert [len(row.data["targets"]) for row in found] == [6, 50_000_000, 6]


@pytest.mark.parametrize("name", ["rows.jsonl", "array.json", "rows.csv"])
def test_a_row_over_the_limit_is_one_reject_and_its_neighbours_are_read(tmp_path, monkeypatch, name):
    for module in ("json_lines", "json", "csv"):
        monkeypatch.setattr(f"core.tables.{module}.MAX_ROW", 1 << 20)
    values = [ROWS[0], {"inputs": "x", "targets": "ə" * (3 << 20)}, ROWS[1], ROWS[2]]
    data = {"rows.jsonl": as_lines, "array.json": as_array, "rows.csv": lambda v: as_table(v, ",")}[name](values)
    path = tmp_path / name
    path.write_bytes(data)
    found = read(path)
    assert rows(found) == [ROWS[0], ROWS[1], ROWS[2]]
    (bad,) = [row for row in found if isinstance(row, BadRow)]
    assert bad.fault == ("not_a_row" if name == "rows.csv" else "too_long")
    assert str(1 << 20) in bad.detail


def test_a_line_of_a_table_over_the_limit_is_one_reject_however_many_fields_it_has(tmp_path, monkeypatch):
    monkeypatch.setattr("core.tables.csv.MAX_ROW", 100)
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,2\n" + "ж," * 200 + "\n3,4\n" + "ж," * 49 + "\n5,6\n", "utf-8")
    found = read(path)
    assert rows(found) == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}, {"a": "5", "b": "6"}]
    assert rejects(found) == [("not_a_row", "rows.csv:2"), ("not_a_row", "rows.csv:4")]


# Files that were cut: every row before the cut, then one reject, nothing else.


def flushed(data):
    """The beginning of a gz file that ends, without its own end, exactly behind `data`."""
    packer = zlib.compressobj(wbits=31)
    return packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)


def test_json_lines_cut_anywhere_give_the_rows_before_the_cut_and_one_reject(tmp_path):
    data = as_lines(ROWS[:3])
    ends = [len(as_lines(ROWS[: n + 1])) - 1 for n in range(3)]
    path = tmp_path / "rows.jsonl.gz"
    for cut in range(len(data)):
        path.write_bytes(flushed(data[:cut]))
        found = read(path)
        assert rows(found) == ROWS[: sum(end <= cut for end in ends)], f"cut at {cut}"
        assert [reason for reason, _ in rejects(found)] == ["truncated_file"], f"cut at {cut}"


def test_a_json_array_cut_anywhere_gives_the_rows_before_the_cut_and_one_reject(tmp_path):
    data = as_array(ROWS[:3])
    ends = [len(as_array(ROWS[: n + 1])) - 1 for n in range(3)]
    packed, plain = tmp_path / "rows.json.gz", tmp_path / "rows.json"
    for cut in range(1, len(data)):
        packed.write_bytes(flushed(data[:cut]))
        plain.write_bytes(data[:cut])
        for path in (packed, plain):
            found = read(path)
            assert rows(found) == ROWS[: sum(end <= cut for end in ends)], f"{path.name} cut at {cut}"
            assert [reason for reason, _ in rejects(found)] == ["truncated_file"], f"{path.name} cut at {cut}"


def test_a_table_cut_anywhere_gives_the_rows_before_the_cut_and_one_reject(tmp_path):
    data = as_table(ROWS[:3], ",")
    ends = [len(as_table(ROWS[: n + 1], ",")) for n in range(3)]
    path = tmp_path / "rows.csv.gz"
    for cut in range(len(as_table(ROWS[:1], ",")) - len(ROWS[0]["targets"].encode()) - 5, len(data)):
        path.write_bytes(flushed(data[:cut]))
        found = read(path)
        # A last row without its line end may be whole, but nobody can know: half an answer must not pass for one.
        assert rows(found) == ROWS[: sum(end <= cut for end in ends)], f"cut at {cut}"
        assert [reason for reason, _ in rejects(found)] == ["truncated_file"], f"cut at {cut}"


def test_a_cut_behind_a_broken_line_keeps_the_reject_of_that_line(tmp_path):
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(flushed(GOOD.encode() + b"\nbroken\n"))
    assert rejects(read(path)) == [("invalid_json", "rows.jsonl.gz:2"), ("truncated_file", "rows.jsonl.gz:3")]


# UTF-16: one odd line must not spoil the others.


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "windows-1251"])
@pytest.mark.parametrize("odd", ["", "  ", "not json", '{"a": NaN}', "[1]"])
def test_one_odd_line_spoils_no_other_in_any_encoding(tmp_path, encoding, odd):
    values = [{"inputs": f"Вопрос {n}", "targets": "Ответ"} for n in range(4)]
    lines = [json.dumps(value, ensure_ascii=False) for value in values]
    path = tmp_path / "rows.jsonl"
    path.write_bytes("\n".join([*lines[:2], odd, *lines[2:]]).encode(encoding))
    found = read(path, encoding=encoding)
    assert [row for row in rows(found) if "inputs" in row] == values
    assert len(rejects(found)) == (odd in ("not json", "[1]"))


@pytest.mark.parametrize("name", ["rows.jsonl", "array.json", "table.csv"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "gb18030", "shift_jis", "cp949"])
def test_text_that_ends_in_the_middle_of_a_character_is_read_up_to_there(tmp_path, name, encoding):
    values = [{"inputs": "質問", "targets": f"答{n}答"} for n in range(3)]
    data = {"rows": as_lines(values), "array": as_array(values), "table": as_table(values, ",")}[name.split(".")[0]]
    data = data.decode().rstrip('\r\n}]"').encode(encoding)[:-1]
    path = tmp_path / name
    path.write_bytes(data)
    found = read(path, encoding=encoding)
    assert rows(found)[:2] == values[:2]
    assert len(found) == 3 and isinstance(found[2], BadRow)


NOT_OF = {
    "utf-8": b"\xe1\xe9",
    "utf-16": b"\x00\xd8",  # half of a surrogate pair
    "utf-16-be": b"\xd8\x00",
    "utf-32": b"\xff\xff\xff\x7f",
    "windows-1253": b"\xaa",
    "gb18030": b"\xff",
    "shift_jis": b"\x85\x20",
    "iso2022_jp": b"\x1b(Z",  # an escape sequence, all in ASCII, that there is not
    "utf-7": b"+\x7f",
}


@pytest.mark.parametrize("name", ["rows.jsonl", "array.json", "table.csv"])
@pytest.mark.parametrize("encoding", NOT_OF)
def test_bytes_that_are_none_of_the_encoding_spoil_their_own_row_alone(tmp_path, name, encoding):
    values = [{"inputs": f"q{n}", "targets": "απάντηση" if encoding == "windows-1253" else "answer"} for n in range(3)]
    data = {"rows": as_lines(values), "array": as_array(values), "table": as_table(values, ",")}[name.split(".")[0]]
    mark = len("".encode(encoding))
    data = data.decode().encode(encoding).replace("q1".encode(encoding)[mark:], NOT_OF[encoding])
    path = tmp_path / name
    path.write_bytes(data)
    found = read(path, encoding=encoding)
    assert rows(found) == [values[0], values[2]]
    assert [reason for reason, _ in rejects(found)] == ["invalid_encoding"]


@pytest.mark.parametrize("name", ["rows.jsonl", "array.json", "table.csv"])
def test_the_reject_of_a_row_in_another_encoding_is_readable(tmp_path, name):
    values = [{"inputs": "Какво?", "targets": "Нищо"}]
    data = {"rows": as_lines(values), "array": as_array(values), "table": as_table(values, ",")}[name.split(".")[0]]
    path = tmp_path / name
    path.write_bytes(data.decode().encode("windows-1251"))
    (row,) = read(path, encoding="windows-1251")
    assert "Нищо" in raw_text(row)


# Documents.


@pytest.mark.parametrize("values", [ROWS[0], {"data": ROWS}, {"a": {"b": [{"c": "ไทย"}]}}])
@pytest.mark.parametrize("indent", [None, 1, 4])
def test_one_object_is_one_row_however_many_lines_it_takes(tmp_path, values, indent):
    path = tmp_path / "row.json"
    path.write_text("\n" + json.dumps(values, indent=indent, ensure_ascii=False) + "\n", "utf-8")
    assert rows(read(path)) == [values] and not rejects(read(path))


def test_the_rows_of_an_array_are_counted_from_one(tmp_path):
    path = tmp_path / "rows.json"
    path.write_text('[{"a": 1}, 2, {"a": "\\ud800"}, {"a" 3}, {"a": 5}]', "utf-8")
    found = read(path)
    assert [row.number for row in found if not isinstance(row, BadRow)] == [1, 3, 5]
    assert rejects(found) == [("not_a_row", "rows.json:2"), ("invalid_json", "rows.json:4")]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.jsonl.gz", "rows.csv", "rows.tsv"])
def test_an_empty_file_has_no_rows(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"")
    assert read(path) == []


# Tables.

TABLES = [
    ('a,b\n1,"x\ny"\n', [{"a": "1", "b": "x\ny"}], []),
    ('a,b\n1,"say ""hi"""\n', [{"a": "1", "b": 'say "hi"'}], []),
    ("a,b\r\n1,2\r\n\r\n3,4", [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}], []),
    ("a,b\n,\n", [{"a": "", "b": ""}], []),
    ("a,b\n1\n3,4\n", [{"a": "3", "b": "4"}], [("not_a_row", 1, "1 fields, expected 2")]),
    ("a,b\n1,2,3,4\n5,6\n", [{"a": "5", "b": "6"}], [("not_a_row", 1, "4 fields, expected 2")]),
    ('a,b\n1,"x"y\n3,4\n', [{"a": "3", "b": "4"}], [("not_a_row", 1, "line 2")]),
    ("a,b\n1,x\x00y\n3,4\n", [{"a": "1", "b": "x\x00y"}, {"a": "3", "b": "4"}], []),
    ('a,b\n1,5" pipe\n', [{"a": "1", "b": '5" pipe'}], []),
    ("a,b\n", [], []),
    ("\n\na,b\n1,2\n", [{"a": "1", "b": "2"}], []),
]


@pytest.mark.parametrize(("text", "expected", "refused"), TABLES)
@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_tables_are_read_by_their_quotes_and_a_line_of_another_width_is_a_reject(
    tmp_path, text, expected, refused, delimiter
):
    path = tmp_path / ("rows.csv" if delimiter == "," else "rows.tsv")
    path.write_text(text.replace(",", delimiter), "utf-8", newline="")
    found = read(path)
    assert rows(found) == expected
    refusals = [row for row in found if isinstance(row, BadRow)]
    assert [(row.fault.value, row.location) for row in refusals] == [(r, f"{path.name}:{n}") for r, n, _ in refused]
    assert all(detail in row.detail for row, (_, _, detail) in zip(refusals, refused, strict=True))


def test_a_quote_that_is_never_closed_is_a_bad_row_with_all_text_after_it(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('a,b\n1,2\n3,"x\n5,6\n7,8\n', "utf-8")
    *_, bad = found = read(path)
    assert rows(found) == [{"a": "1", "b": "2"}]
    assert rejects(found) == [("not_a_row", "rows.csv:2")]
    assert bad.raw == '3,"x\n5,6\n7,8\n'


def test_a_broken_line_of_column_names_makes_no_row_a_line_of_column_names(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('inputs,"targets"x\nHabari?,Nzuri.\nSalama?,Salama.\n', "utf-8")
    found = read(path)
    assert rows(found) == []
    # Every row behind it is accounted for.
    assert rejects(found) == [("not_a_row", f"rows.csv:{n}") for n in range(3)]


# Parquet.


def test_the_row_groups_of_a_slice_are_read_and_no_others(tmp_path):
    path = tmp_path / "rows.parquet"
    path.write_bytes(as_parquet(ROWS, row_group_size=2))
    assert rows(read(path, start=0, end=1)) == ROWS[:2]
    assert rows(read(path, start=1, end=3)) == ROWS[2:]
    assert rejects(read(path)) == []


def test_a_damaged_row_group_is_one_reject_and_the_others_are_read(tmp_path):
    values = [{"inputs": f"{n} " + "සිංහල" * 20, "targets": str(n)} for n in range(40)]
    path = tmp_path / "rows.parquet"
    path.write_bytes(as_parquet(values, row_group_size=10, compression="zstd"))
    column = pq.ParquetFile(path).metadata.row_group(1).column(0)
    data = bytearray(path.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    data[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(data)
    found = read(path)
    assert rows(found) == values[:10] + values[20:]
    (bad,) = [row for row in found if isinstance(row, BadRow)]
    assert (bad.fault, bad.location) == ("truncated_file", "rows.parquet:11")
    assert "10 rows" in bad.detail
    assert [row.number for row in found if not isinstance(row, BadRow)] == [*range(1, 11), *range(21, 41)]


@pytest.mark.parametrize(
    "data", [b"", b"PAR1", as_lines(ROWS), as_parquet(ROWS)[:-1], as_parquet(ROWS)[:200], b"PAR1" * 9]
)
def test_a_parquet_file_without_its_end_is_one_reject(tmp_path, data):
    path = tmp_path / "rows.parquet"
    path.write_bytes(data)
    assert [reason for reason, _ in rejects(read(path))] == ["truncated_file"]


def test_text_in_parquet_that_is_not_utf_8_spoils_its_own_row_alone(tmp_path):
    texts = [b"first", b"\xff\xfe", "третий".encode()]
    offsets = pa.py_buffer(bytes(pa.array([0, *itertools.accumulate(map(len, texts))], pa.int32()).buffers()[1]))
    column = pa.Array.from_buffers(pa.string(), 3, [None, offsets, pa.py_buffer(b"".join(texts))])
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"inputs": column}), path)
    found = read(path)
    assert rows(found) == [{"inputs": "first"}, {"inputs": "третий"}]
    assert rejects(found) == [("invalid_encoding", "rows.parquet:2")]


ODD_COLUMNS = {
    "a moment that Python has no date for": pa.array([1 << 62, 0], pa.timestamp("us")),
    "a moment to the nanosecond": pa.array([1, 0], pa.timestamp("ns")),
    "a day that Python has no date for": pa.array([1 << 30, 0], pa.date32()),
    "bytes": pa.array([b"\xff\x00", None]),
    "a map": pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int64())),
    "a decimal": pa.array([1, None], pa.decimal128(38, 2)),
    "a category": pa.array(["ж", "ж"]).dictionary_encode(),
}


@pytest.mark.parametrize("column", ODD_COLUMNS)
def test_a_column_that_nobody_asks_for_costs_no_row(tmp_path, column):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"inputs": ["Привет", "გამარჯობა"], "odd": ODD_COLUMNS[column]}), path)
    found = read(path)
    assert [row.data["inputs"] for row in found if not isinstance(row, BadRow)] == ["Привет", "გამარჯობა"]
    assert all(isinstance(raw_text(row), str) for row in found)


# Slices and places.

parts_of_lines = st.lists(
    st.sampled_from([b'{"a": 1}', b'{"a": "\xe0\xb9\x84"}', b"", b"  ", b"broken", b"[1]", b'{"a": NaN}']), max_size=12
)


@given(
    lines=parts_of_lines,
    cuts=st.lists(st.integers(4, 120), max_size=4),
    end=st.sampled_from([b"\n", b"\r\n"]),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
)
@settings(max_examples=150, deadline=None)
def test_the_slices_of_a_file_hold_together_just_its_rows(tmp_path_factory, lines, cuts, end, mark):
    path = tmp_path_factory.getbasetemp() / "sliced.jsonl"
    data = mark + end.join(lines)
    path.write_bytes(data)
    bounds = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    found = [row for start, end in itertools.pairwise(bounds) for row in read(path, start=start, end=end)]

    def bare(row):
        return (row.fault, row.raw) if isinstance(row, BadRow) else (repr(row.data), row.raw)

    assert list(map(bare, found)) == list(map(bare, read(path)))


def test_the_place_of_a_row_is_its_line_and_in_a_slice_the_byte_where_the_slice_begins(tmp_path, write_lines):
    path = write_lines(tmp_path / "rows.jsonl", [GOOD, "", "broken", GOOD, "broken"])
    assert rejects(read(path)) == [("invalid_json", "rows.jsonl:3"), ("invalid_json", "rows.jsonl:5")]
    assert rejects(read(path, start=10, end=path.stat().st_size)) == [
        ("invalid_json", "rows.jsonl@10:2"),
        ("invalid_json", "rows.jsonl@10:4"),
    ]


def test_a_slice_without_an_end_goes_on_to_the_end_of_the_file(tmp_path, write_lines):
    path = write_lines(tmp_path / "rows.jsonl", [{"n": n} for n in range(5)])
    assert rows(read(path, start=15)) == [{"n": n} for n in (2, 3, 4)]


@pytest.mark.parametrize("lines", [10, 5_000])
def test_batches_are_small_and_in_order_however_large_the_file(tmp_path, write_lines, lines):
    values = [{"inputs": f"{n}", "targets": "ঠ" * 100} for n in range(lines)]
    for path in (write_lines(tmp_path / "rows.jsonl", values), tmp_path / "array.json"):
        if path.suffix == ".json":
            path.write_bytes(as_array(values))
        batches = list(tables.read(Slice(str(path), path.name, format_of(path))))
        assert [row.data for batch in batches for row in batch] == values
        assert max(sum(len(row.raw) for row in batch) for batch in batches) <= 2 << 20


def test_what_cannot_be_opened_is_one_reject_that_says_why(tmp_path):
    link = tmp_path / "link.jsonl"
    os.symlink(tmp_path / "nowhere", link)
    folder = tmp_path / "folder.jsonl"
    folder.mkdir()
    for path in (tmp_path / "absent.jsonl", link, folder, tmp_path / "absent.json", tmp_path / "absent.csv"):
        (bad,) = read(path)
        assert bad.fault == "unreadable_file" and path.name in bad.detail
    (bad,) = read(tmp_path / "absent.parquet")
    assert bad.fault == "unreadable_file"


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("a.jsonl", "jsonl"),
        ("a.NDJSON", "jsonl"),
        ("a.json", "json"),
        ("a.jsonl.gz", "jsonl"),
        ("a.b.json.ZST", "json"),
        ("a.csv.xz", "csv"),
        ("a.tsv", "tsv"),
        ("train-00000-of-00002.parquet", "parquet"),
        ("xp3_xcopa_sw_validation_C1 or C2? premise_swmt.jsonl", "jsonl"),
        ("a.txt", None),
        ("a.gz", None),
        ("jsonl", None),
        ("a.jsonl.bak", None),
    ],
)
def test_the_name_of_a_file_tells_its_format(tmp_path, name, format):
    assert format_of(tmp_path / name) == format
