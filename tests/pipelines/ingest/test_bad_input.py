"""Bad input through the whole of ingest: every row is kept or refused and counted, and the run goes on."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from collection import store
from collection.language_id import LanguageIdConfig
from collection.validate import problems
from core.errors import SourceError, UserError
from pipelines.ingest.config import IngestConfig, IngestSource
from pipelines.ingest.job import ingest
from pipelines.ingest.sources import source_class
from pipelines.runner import RunConfig

NO_DETECTOR = LanguageIdConfig(detector="none")


def good(number=0):
    return {
        "inputs": f"Mji mkuu wa Tanzania ni upi? ({number})",
        "targets": "Mji mkuu wa Tanzania ni Dodoma.",
        "language_code": "swa",
    }


def chat(number=0):
    question, answer = good(number)["inputs"], good()["targets"]
    turns = [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
    return {"id": f"chat_{number}", "conversations": turns, "lang": "swa"}


def lines(*rows):
    return "".join(
        (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)) + "\n" for row in rows
    ).encode()


class Milled:
    """A finished run, after the checks that hold for every one: in = out + rejected, and nothing is wrong with it."""

    def __init__(self, kind, path, out, language_id=NO_DETECTOR, **options):
        source = IngestSource(kind, str(path), source_class(kind).Options(**options))
        self.manifest = ingest(
            IngestConfig(sources=(source,), run=RunConfig(mode="in_memory"), language_id=language_id), out
        )
        self.records, self.rejects = list(store.records(out)), list(store.rejects(out))
        assert self.manifest.complete and list(problems(out)) == []
        assert self.manifest.rows_in == self.manifest.rows_out + self.manifest.rows_rejected
        assert (len(self.records), len(self.rejects)) == (self.manifest.rows_out, self.manifest.rows_rejected)
        assert "internal_error" not in self.manifest.rejected
        assert all(reject["location"] and reject["detail"] is not None for reject in self.rejects)

    @property
    def reasons(self):
        return dict(self.manifest.rejected)


@pytest.fixture
def mill(tmp_path):
    """Ingests a source into a new folder."""
    runs = itertools.count()
    return lambda kind, path, **more: Milled(kind, path, tmp_path / f"out-{next(runs)}", **more)


@pytest.fixture
def folder(tmp_path):
    """A folder of sources that holds one good file of three rows."""
    path = tmp_path / "in"
    path.mkdir()
    (path / "good.jsonl").write_bytes(lines(good(1), good(2), good(3)))
    return path


# Strings that break programs.


def test_naughty_strings_as_questions_and_answers_are_each_kept_or_refused(shared, tmp_path, write_lines, mill):
    strings = json.loads((shared("data/blns") / "blns.json").read_text("utf-8"))
    assert len(strings) > 500
    rows = [{**good(n), "inputs": f"Sema neno hili: {text}"} for n, text in enumerate(strings)]
    rows += [{**good(n), "targets": text} for n, text in enumerate(strings)]
    rows += [{**good(n), "language_code": text} for n, text in enumerate(strings)]
    for kind in ("aya", "table"):
        run = mill(kind, write_lines(tmp_path / f"{kind}.jsonl", rows), language_id=LanguageIdConfig(detector="vote"))
        assert run.manifest.rows_in == len(rows) and run.manifest.rows_out > len(strings)


def test_naughty_strings_as_turns_and_names_are_each_kept_or_refused(shared, tmp_path, mill):
    strings = json.loads((shared("data/blns") / "blns.json").read_text("utf-8"))
    rows = [{**chat(n), "id": text, "category": text, "system": text} for n, text in enumerate(strings)]
    rows += [
        {
            **chat(n),
            "conversations": [*chat(n)["conversations"], {"from": "human", "value": text}, chat()["conversations"][1]],
        }
        for n, text in enumerate(strings)
    ]
    rows += [{"text": f"<|user|>: {text} <|bot|>: Ndiyo, ndivyo ilivyo.", "lang": "swa"} for text in strings]
    (tmp_path / "rows.json").write_text(json.dumps(rows, ensure_ascii=False, indent=1), "utf-8")
    run = mill("sharegpt", tmp_path / "rows.json", language_id=LanguageIdConfig(detector="vote"))
    assert run.manifest.rows_in == len(rows) and run.manifest.rows_out > 2 * len(strings)


@pytest.mark.parametrize("name", ["blns.jsonl", "blns.json", "blns.ndjson"])
def test_naughty_strings_as_lines_are_refused_one_by_one(shared, folder, mill, name):
    data = (shared("data/blns") / "blns.txt").read_bytes()
    (folder / name).write_bytes(data)
    run = mill("aya", folder)
    assert run.manifest.rows_in == 3 + sum(bool(line.strip()) for line in data.split(b"\n"))
    assert run.manifest.rows_out == 3


@pytest.mark.parametrize("name", ["blns.csv", "blns.tsv"])
def test_naughty_strings_as_a_table_do_not_stop_the_run(shared, folder, mill, name):
    (folder / name).write_bytes((shared("data/blns") / "blns.txt").read_bytes())
    run = mill("aya", folder)
    assert run.manifest.rows_out == 3 < run.manifest.rows_in


def test_an_array_of_strings_is_refused_one_by_one(shared, folder, mill):
    shutil.copy(shared("data/blns") / "blns.json", folder / "blns.json")
    strings = json.loads((folder / "blns.json").read_text("utf-8"))
    run = mill("aya", folder)
    assert run.reasons == {"not_a_row": len(strings)} and run.manifest.rows_out == 3


# Encodings.

LEGACY = {
    "sample-chinese.txt": ("big5", "zho_Hant"),
    "sample-french-1.txt": ("cp1252", "fra"),
    "sample-greek-2.txt": ("iso8859-7", "ell"),
    "sample-hebrew-2.txt": ("windows-1255", "heb"),
    "sample-korean.txt": ("cp949", "kor"),
    "sample-russian.txt": ("mac_cyrillic", "rus"),
    "sample-turkish.txt": ("windows-1254", "tur"),
}


def legacy(shared, name, form):
    """A row of a real legacy text, and a file of it in its own encoding."""
    encoding, language = LEGACY[name]
    text = (shared("data/encodings/legacy_encoded") / name).read_bytes().decode(encoding)
    row = {"inputs": text[:100], "targets": text[100:300], "language_code": language}
    if form == "csv":
        data = "inputs,targets,language_code\n" + ",".join(
            '"' + value.replace('"', '""') + '"' for value in row.values()
        )
    else:
        data = json.dumps([row] if form == "json" else row, ensure_ascii=False)
    return row, data.encode(encoding)


@pytest.mark.parametrize("form", ["jsonl", "json", "csv"])
def test_text_in_a_legacy_encoding_is_refused_as_utf_8(shared, folder, mill, form):
    for name in LEGACY:
        (folder / f"{name}.{form}").write_bytes(legacy(shared, name, form)[1])
    run = mill("aya", folder)
    assert run.manifest.rows_out == 3 and len(run.rejects) == len(LEGACY)
    # A byte of Big5 may be a quote or a backslash to JSON.
    assert run.reasons["invalid_encoding"] >= len(LEGACY) - 1


@pytest.mark.parametrize(("name", "form"), list(zip(LEGACY, itertools.cycle(["jsonl", "json", "csv"]), strict=False)))
def test_text_in_a_legacy_encoding_is_read_when_its_encoding_is_named(shared, tmp_path, mill, name, form):
    row, data = legacy(shared, name, form)
    (tmp_path / f"rows.{form}").write_bytes(data)
    (record,) = mill("aya", tmp_path / f"rows.{form}", encoding=LEGACY[name][0]).records
    assert " ".join(record.target.split()) == " ".join(row["targets"].split())


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.csv", "rows.tsv"])
def test_a_whole_file_of_another_encoding_does_not_stop_the_run(shared, folder, mill, name):
    data = b"".join((shared("data/encodings/legacy_encoded") / sample).read_bytes() for sample in LEGACY)
    (folder / name).write_bytes(data)
    run = mill("aya", folder)
    assert run.manifest.rows_out == 3 < run.manifest.rows_in


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.csv"])
def test_a_file_of_utf_16_with_its_mark_is_read_among_others_of_utf_8(folder, mill, encoding, name):
    data = {"rows.jsonl": lines(good(4), "", good(5)), "rows.json": json.dumps([good(4), good(5)]).encode()}.get(
        name, "inputs,targets,language_code\n{inputs},{targets},{language_code}\n".format(**good(4)).encode() * 2
    )
    (folder / name).write_bytes(data.decode().encode(encoding))
    assert mill("aya", folder).manifest.rows_out >= 4


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "array.json", "rows.csv"])
def test_an_encoding_of_no_known_name_is_one_error_that_names_it(tmp_path, mill, name):
    (tmp_path / name).write_bytes(json.dumps([good()]).encode() if name == "array.json" else lines(good()))
    with pytest.raises(UserError, match="klingon-8") as caught:
        mill("aya", tmp_path / name, encoding="klingon-8")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("spelling", ["UTF-8", "utf8", "utf_8", "U8"])
def test_utf_8_may_be_spelled_in_any_way(folder, mill, spelling):
    table = "inputs,targets,language_code\n{inputs},{targets},{language_code}\n"
    (folder / "marked.jsonl").write_bytes(b"\xef\xbb\xbf" + lines(good(4), good(5)))
    (folder / "marked.json").write_bytes(b"\xef\xbb\xbf" + json.dumps([good(6)]).encode())
    (folder / "marked.csv").write_bytes(b"\xef\xbb\xbf" + table.format(**good(7)).encode())
    assert mill("aya", folder, encoding=spelling).manifest.rows_out == 7


@pytest.mark.parametrize("spelling", ["UTF-16", "utf_16", "utf16", "UTF-16LE", "utf_32"])
def test_utf_16_and_32_may_be_spelled_in_any_way(tmp_path, mill, spelling):
    packed = gzip.compress(lines(good(1), good(2), good(3)).decode().encode(spelling))
    (tmp_path / "rows.jsonl.gz").write_bytes(packed)
    assert mill("aya", tmp_path / "rows.jsonl.gz", encoding=spelling).manifest.rows_out == 3


def test_lone_surrogates_and_nul_characters_in_text_are_mended(tmp_path, write_lines, mill):
    rows = [
        json.dumps({**good(), "targets": "Mji mkuu wa Tanzania\ud83d ni Dodoma\x00, ndugu yangu."}),
        json.dumps({**good(), "targets": "\ud83d\ude00 ni Dodoma \U0001f600 ndugu yangu."}, ensure_ascii=True),
        json.dumps({**good(), "inputs": "\udfff", "language_code": "\ud800"}),
        json.dumps({**good(), "\udfff": "\udfff", "extra": ["\ud800"]}),
        json.dumps({**good(5), "annotation_type": "\ud800", "split": "\udfff\x00"}),
    ]
    run = mill("aya", write_lines(tmp_path / "rows.jsonl", rows))
    assert [record.target for record in run.records] == [
        "Mji mkuu wa Tanzania\ufffd ni Dodoma, ndugu yangu.",
        "😀 ni Dodoma 😀 ndugu yangu.",
        good()["targets"],
        good()["targets"],
    ]
    assert run.reasons == {"unknown_language": 1}


def test_nul_bytes_in_a_file_are_refused_line_by_line(folder, mill):
    (folder / "rows.jsonl").write_bytes(lines(good(4)) + b"\x00" * 5000 + b"\n" + lines(good(5))[:-1] + b"\x00\x00\n")
    run = mill("aya", folder)
    assert run.manifest.rows_out == 4 and run.reasons == {"invalid_json": 2}


# Files that were cut or damaged.


def flushed(data):
    """The beginning of a gz file that ends, without its own end, exactly behind `data`."""
    packer = zlib.compressobj(wbits=31)
    return packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)


THAI = {"inputs": "เมืองหลวงของไทยคืออะไร", "targets": "กรุงเทพมหานครครับผม", "language_code": "tha"}
CUT = lines(good(4), good(5), THAI)

TRUNCATED = {
    "gz": ("cut.jsonl.gz", flushed(CUT[: CUT.rindex("ผ".encode())])),
    "gz in the middle of a character": ("cut.jsonl.gz", flushed(CUT[: CUT.rindex("ผ".encode()) + 1])),
    "JSON array": ("cut.json", json.dumps([good(4), good(5), good(6)]).encode()[:-40]),
    "JSON array in gz": ("cut.json.gz", flushed(json.dumps([good(4), good(5), good(6)]).encode()[:-40])),
    "CSV in gz, in the middle of an answer": (
        "cut.csv.gz",
        flushed(
            b"language_code,inputs,targets\n"
            + "".join(f"swa,{good(n)['inputs']},{good()['targets']}\n" for n in (4, 5, 6)).encode()[:-10]
        ),
    ),
}


@pytest.mark.parametrize("case", TRUNCATED)
def test_a_truncated_file_gives_its_rows_and_one_reject(folder, mill, case):
    name, data = TRUNCATED[case]
    (folder / name).write_bytes(data)
    run = mill("aya", folder)
    assert run.reasons == {"truncated_file": 1}
    assert sorted(record.prompt for record in run.records) == [good(n)["inputs"] for n in (1, 2, 3, 4, 5)]
    assert run.rejects[0]["location"] == f"{name}:3"


def test_a_truncated_zst_gives_the_rows_of_its_whole_blocks_and_one_reject(folder, mill):
    packer = zstandard.ZstdCompressor().compressobj()
    data = packer.compress(lines(good(4), good(5))) + packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    data += packer.compress(lines(good(6))) + packer.flush()
    (folder / "cut.jsonl.zst").write_bytes(data[:-10])
    run = mill("aya", folder)
    assert run.reasons == {"truncated_file": 1} and run.manifest.rows_out == 5


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".bz2", ".xz", ".lz4"])
def test_a_damaged_compressed_file_is_one_reject(folder, mill, suffix):
    (folder / f"odd.jsonl{suffix}").write_bytes(lines(good(4)))
    assert mill("aya", folder).reasons == {"truncated_file": 1}


def test_a_damaged_conversation_at_the_start_of_an_array_costs_no_other(tmp_path, mill):
    rows = [json.dumps(chat(n)) for n in range(5)]
    rows[0] = rows[0].replace('"from": "human", ', '"from": "human" ')
    (tmp_path / "chats.json").write_text("[" + ",\n".join(rows) + "]")
    run = mill("sharegpt", tmp_path / "chats.json")
    assert [record.prompt for record in run.records] == [good(n)["inputs"] for n in (1, 2, 3, 4)]
    assert run.reasons == {"invalid_json": 1}


def test_arrays_put_one_behind_the_other_lose_no_row(tmp_path, mill):
    (tmp_path / "chats.json").write_text("\n".join(json.dumps([chat(n), chat(n + 1)]) for n in (0, 2)))
    run = mill("sharegpt", tmp_path / "chats.json")
    # Whatever is made of the second array, it is not passed over in silence.
    assert run.manifest.rows_out == 4 or run.manifest.rows_rejected >= 1


ODD_ROWS = {
    "a number of thousands of digits": '{"conversations": [], "id": ' + "7" * 5000 + "}",
    "brackets without end": '{"conversations": [], "id": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "tools nested a thousand deep": json.dumps(chat())[:-1] + ', "tools": ' + "[" * 1000 + "]" * 1000 + "}",
    "a history that is a number": '{"instruction": "x", "output": "y", "history": 5}',
    "NaN": '{"conversations": NaN}',
    "keys that repeat": '{"conversations": 1, "conversations": 2}',
    "a row of nothing": "{}",
}


@pytest.mark.parametrize("form", ["rows.jsonl", "rows.json"])
def test_odd_rows_are_each_one_reject_and_their_neighbours_are_kept(tmp_path, mill, form):
    rows = [row for n, odd in enumerate(ODD_ROWS.values()) for row in (odd, json.dumps(chat(n)))]
    (tmp_path / form).write_text("\n".join(rows) if form == "rows.jsonl" else "[" + ",".join(rows) + "]")
    run = mill("sharegpt", tmp_path / form)
    assert run.manifest.rows_in == len(rows)
    assert {record.prompt for record in run.records} >= {good(n)["inputs"] for n in range(len(ODD_ROWS))}


def test_a_line_of_50_megabytes_is_one_reject_and_its_text_is_cut(folder, mill):
    (folder / "long.jsonl").write_bytes(lines(good(4), {**good(5), "targets": "ndiyo " * 8_700_000}, good(6)))
    run = mill("aya", folder)
    assert run.manifest.rows_out == 5 and len(run.rejects) == 1
    assert len(run.rejects[0]["raw"]) == 65_536 and "the first 65536 of 52" in run.rejects[0]["detail"]


# Parquet.


def parquet(path, rows, **layout):
    pq.write_table(pa.Table.from_pylist(rows), path, **layout)


def test_a_parquet_file_with_a_missing_column_is_refused_row_by_row(folder, mill):
    parquet(folder / "a.parquet", [{"inputs": "swali", "language_code": "swa"}] * 5)
    parquet(folder / "b.parquet", [good(n) for n in range(4)])
    run = mill("aya", folder)
    assert run.reasons == {"missing_field": 5} and run.manifest.rows_out == 7
    assert "'targets'" in run.rejects[0]["detail"] and json.loads(run.rejects[0]["raw"])["inputs"] == "swali"


@pytest.mark.parametrize("data", [b"", b"PAR1PAR1", b"not parquet at all" * 10])
def test_a_damaged_parquet_file_is_one_reject(folder, mill, data):
    (folder / "odd.parquet").write_bytes(data)
    assert mill("aya", folder).reasons == {"truncated_file": 1}


def test_a_parquet_file_without_rows_gives_no_row(folder, mill):
    pq.write_table(pa.table({"inputs": pa.array([], pa.string())}), folder / "none.parquet")
    assert mill("aya", folder).manifest.rows_in == 3


def test_dates_that_python_has_none_for_do_not_stop_the_run(folder, mill):
    table = pa.Table.from_pylist([good(4), good(5)])
    table = table.append_column("at", pa.array([1 << 62, None], pa.timestamp("us")))
    pq.write_table(table, folder / "dated.parquet")
    assert mill("aya", folder).manifest.rows_out == 5


def test_bytes_in_place_of_text_do_not_stop_the_run(tmp_path, mill):
    turns = pa.list_(pa.struct([("from", pa.string()), ("value", pa.binary())]))
    (tmp_path / "in").mkdir()
    rows = [[{"from": "human", "value": b"\xff"}]]
    pq.write_table(pa.table({"conversations": pa.array(rows, turns)}), tmp_path / "in" / "a.parquet")
    (tmp_path / "in" / "b.jsonl").write_bytes(lines(chat(1)))
    run = mill("sharegpt", tmp_path / "in")
    assert (run.manifest.rows_in, run.manifest.rows_out) == (2, 1)


# Files and folders.


def test_empty_files_are_no_rows(folder, mill):
    for name in ("a.jsonl", "b.json", "c.csv", "d.jsonl.gz"):
        (folder / name).write_bytes(gzip.compress(b"") if name.endswith(".gz") else b"")
    (folder / "e.json").write_text("[]")
    (folder / "f.jsonl").write_text("\n\n \n")
    run = mill("aya", folder)
    assert run.manifest.rows_in == run.manifest.rows_out == 3
    assert len(run.manifest.inputs) == 7


def test_links_that_lead_nowhere_or_in_a_circle_are_each_one_reject(folder, mill):
    os.symlink(folder / "nowhere", folder / "dangling.jsonl")
    os.symlink("circle.jsonl", folder / "circle.jsonl")
    os.symlink("circle_folder", folder / "circle_folder")
    run = mill("aya", folder)
    assert run.reasons == {"unreadable_file": 3} and run.manifest.rows_out == 3
    assert {reject["location"] for reject in run.rejects} == {
        "dangling.jsonl:0",
        "circle.jsonl:0",
        "circle_folder:0",
    }


def test_a_link_back_to_the_folder_itself_reads_no_row_twice(folder, mill):
    os.symlink(".", folder / "again")
    assert mill("aya", folder).manifest.rows_in == 3


def test_a_file_whose_name_is_not_utf_8_is_read(folder, mill):
    with open(os.fsencode(folder) + b"/se\xf1or.jsonl", "wb") as file:
        file.write(lines(good(4), "broken"))
    run = mill("aya", folder)
    assert run.manifest.rows_out == 4 and run.reasons == {"invalid_json": 1}


@contextlib.contextmanager
def nobody():
    """Without the rights of root, before which no permission holds."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def public():
    """A folder that everybody may use, unlike those of pytest, with a good file in it."""
    path = Path(tempfile.mkdtemp(prefix="glotmill-test-"))
    (path / "in").mkdir()
    (path / "in" / "good.jsonl").write_bytes(lines(good(1), good(2), good(3)))
    for place in (path, path / "in"):
        place.chmod(0o777)
    yield path
    for place in path.rglob("*"):
        if place.is_dir():
            place.chmod(0o700)
    shutil.rmtree(path)


def test_a_folder_and_a_file_that_may_not_be_read_are_each_one_reject_and_the_run_goes_on(public):
    (public / "in" / "closed").mkdir(mode=0o000)
    (public / "in" / "closed").chmod(0o000)
    (public / "in" / "closed.jsonl").write_bytes(lines(good(4)))
    (public / "in" / "closed.jsonl").chmod(0o000)
    Milled("aya", public / "in" / "good.jsonl", public / "warm")  # with all modules in memory, whoever may read them
    with nobody():
        run = Milled("aya", public / "in", public / "out")
    assert run.reasons == {"unreadable_file": 2} and run.manifest.rows_out == 3
    assert all("ermission denied" in reject["detail"] for reject in run.rejects)


def test_a_source_that_may_not_be_listed_at_all_is_one_error(public):
    (public / "in").chmod(0o000)
    with nobody(), pytest.raises(SourceError, match="permission") as caught:
        Milled("aya", public / "in", public / "out")
    assert str(public / "in") in str(caught.value) and "\n" not in str(caught.value)


def test_an_output_folder_that_may_not_be_written_is_one_error(public):
    (public / "out").mkdir(mode=0o555)
    Milled("aya", public / "in" / "good.jsonl", public / "warm")
    with nobody(), pytest.raises(UserError, match="permission") as caught:
        Milled("aya", public / "in", public / "out" / "here")
    assert str(public / "out" / "here") in str(caught.value) and "\n" not in str(caught.value)


UNUSABLE = {
    "nothing there": None,
    "an empty file": {"rows.jsonl": b""},
    "an empty array": {"rows.json": b"[]"},
    "blank lines": {"rows.jsonl": b"\n \n\n"},
    "text": {"rows.jsonl": b"Dear diary,\ntoday nothing happened.\n"},
    "NUL bytes": {"rows.jsonl": b"\x00" * 10_000},
    "a picture": {"rows.json": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" * 50},
    "no parquet": {"rows.parquet": b"PAR1" + b"\x00" * 50},
    "no gz": {"rows.jsonl.gz": lines(good())},
    "rows of another kind": {"rows.jsonl": lines(chat(), chat())},
    "a table without its columns": {"rows.csv": b"a,b\n1,2\n"},
    "no known format": {"rows.txt": lines(good())},
    "links that lead nowhere": {"rows.jsonl": "nowhere"},
    "a row too many": {"rows.json": b"[1, 2, 3]"},
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_a_source_that_is_wholly_unusable_is_one_error_that_names_it(tmp_path, mill, case):
    path = tmp_path / "in"
    if UNUSABLE[case] is not None:
        path.mkdir()
        for name, data in UNUSABLE[case].items():
            if isinstance(data, str):
                os.symlink(data, path / name)
            else:
                (path / name).write_bytes(data)
    with pytest.raises(SourceError) as caught:
        mill("aya", path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert not list(tmp_path.glob("out-*/manifest.json"))


def test_a_device_is_one_error(mill):
    with pytest.raises(SourceError, match="/dev/null"):
        mill("aya", "/dev/null")


def test_an_unusable_source_among_good_ones_is_named(tmp_path, folder):
    (tmp_path / "empty.jsonl").write_bytes(b"")
    sources = (IngestSource("aya", str(folder)), IngestSource("aya", str(tmp_path / "empty.jsonl")))
    with pytest.raises(SourceError, match=r"empty\.jsonl"):
        ingest(IngestConfig(sources=sources, language_id=NO_DETECTOR), tmp_path / "out")


# A full disk.


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own: how large it is, and how many files it holds, can be set again."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options, *more):
        done = subprocess.run(["mount", *more, "-o", options, "tmpfs", str(place)], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no small file system can be mounted here: {done.stderr.strip()}")
        return place

    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    yield mount
    subprocess.run(["umount", "--lazy", str(place)], capture_output=True)


# Too little room for data, and too few files: before the run, for its notes, for a part, for a part's marker.
@pytest.mark.parametrize(
    "options", ["size=4k", "size=200k", "nr_inodes=4", "nr_inodes=8", "nr_inodes=11", "nr_inodes=13"]
)
def test_a_full_disk_is_one_error_that_says_what_to_do_and_the_same_command_ends_the_run(tmp_path, small_disk, options):
    rows = [
        {**good(n), "inputs": os.urandom(300).hex(), "targets": f"{n} {os.urandom(300).hex()}"} for n in range(1000)
    ]
    (tmp_path / "rows.jsonl").write_bytes(lines(*rows))
    disk = small_disk(options, "-t", "tmpfs")
    with pytest.raises(UserError) as caught:
        Milled("aya", tmp_path / "rows.jsonl", disk / "out")
    told = str(caught.value)
    assert "No space left on device" in told and "free some space, then run the same command again" in told
    assert str(disk / "out") in told and "\n" not in told
    small_disk("remount,size=50m,nr_inodes=1000")
    assert Milled("aya", tmp_path / "rows.jsonl", disk / "out").manifest.rows_out == 1000
