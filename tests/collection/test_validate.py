"""A sound folder has no problems; every damage to one is found and named."""

import json
import random
import shutil
from dataclasses import asdict

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collection import record, reject, stats, store, validate
from collection.manifest import KEPT, Input, Manifest, Tally
from collection.record import Message, Record, to_batch
from collection.reject import Reason, Reject
from collection.store import PartWriter
from collection.validate import problems
from core.errors import GlotmillError, SourceError

SWAHILI = "data/swh_Latn/train-00000-of-00001.parquet"
REJECTS = "rejects/part-00000-of-00001.parquet"


def make_record(number, language, source="aya"):
    messages = [Message("user", f"Swali {number}؟"), Message("assistant", f"Jibu {number} 你好")]
    if number % 3 == 0:
        messages = [Message("system", "Kwa ufupi."), *messages, Message("user", "Na?"), Message("assistant", "Ndiyo.")]
    return Record.of(messages=messages, language=language, source=source, source_id=str(number))


def write_manifest(folder, command, tally):
    Manifest.of(command, tally, 1, inputs=[Input("in", 1, "h")], complete=True).write(folder)


def add_up(rows, lines):
    tally = Tally()
    for one in rows:
        tally.outcomes[one.source, one.language, KEPT] += 1
    for one in lines:
        tally.outcomes[one.source, one.language, one.reason.value] += 1
    return tally


@pytest.fixture(scope="module")
def sound_stage(tmp_path_factory):
    """What an ingest leaves: two parts, two sources, rejects of several reasons, one of them without a language."""
    folder = tmp_path_factory.mktemp("stage")
    rows = [make_record(n, ("swh_Latn", "arb_Arab")[n % 2], ("aya", "xp3x")[n % 3 == 0]) for n in range(20)]
    lines = [Reject(Reason.TOO_SHORT, language="swh_Latn", source="aya", location=f"f:{n}") for n in range(3)]
    lines += [
        Reject(Reason.INVALID_JSON, language="und", source="xp3x"),
        Reject(Reason.TOO_LONG, "", "", "arb_Arab", "aya"),
    ]
    for index in (0, 1):
        with PartWriter(folder, index, 2) as part:
            part.write([*rows[index::2], *lines[index::2]])
    write_manifest(folder, "ingest", add_up(rows, lines))
    return folder


@pytest.fixture(scope="module")
def sound_collection(tmp_path_factory):
    """What a build leaves: a folder a language, a file a split, statistics, duplicates among the rejects."""
    folder = tmp_path_factory.mktemp("collection")
    languages, rows = {}, []
    for language in ("swh_Latn", "arb_Arab"):
        for split, numbers in (("train", range(12)), ("test", range(12, 15))):
            some = [make_record(number, language) for number in numbers]
            rows += some
            path = folder / "data" / language / f"{split}-00000-of-00001.parquet"
            with store.parquet_writer(path, record.SCHEMA) as writer:
                writer.write_batch(to_batch(some))
            languages.setdefault(language, stats.LanguageStats()).add(stats.measure(to_batch(some), split))
    lines = [Reject(Reason.EXACT_DUPLICATE, "same", "0" * 32, "swh_Latn", "aya", "f:1", "{}") for _ in range(3)]
    with store.parquet_writer(folder / REJECTS, reject.SCHEMA) as writer:
        writer.write_batch(reject.to_batch(lines))
    (folder / "stats.json").write_text(json.dumps(stats.to_json(languages)), "utf-8")
    (folder / "README.md").write_text("# x\n")
    write_manifest(folder, "build", add_up(rows, lines))
    return folder


@pytest.fixture
def stage(sound_stage, tmp_path):
    return shutil.copytree(sound_stage, tmp_path / "stage")


@pytest.fixture
def collection(sound_collection, tmp_path):
    return shutil.copytree(sound_collection, tmp_path / "collection")


def edit_json(path, change):
    values = json.loads(path.read_text("utf-8"))
    change(values)
    path.write_text(json.dumps(values), "utf-8")


def edit_rows(path, change):
    table = pq.read_table(path)
    rows = table.to_pylist()
    pq.write_table(pa.Table.from_pylist(change(rows) or rows, schema=table.schema), path)


def change_first(**columns):
    return lambda rows: rows[0].update(columns)


def turns(*roles, content="maneno"):
    return [{"role": role, "content": content} for role in roles]


def test_a_sound_stage_has_no_problems(sound_stage):
    assert list(problems(sound_stage)) == []


def test_a_sound_collection_has_no_problems(sound_collection):
    assert list(problems(sound_collection)) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rows: rows[1:], "language swh_Latn: 14 rows kept in the files, 15"),
        (lambda rows: [*rows, {**rows[0], "id": "1" * 32}], "16 rows kept in the files, 15"),
        (lambda rows: [rows[0], {**rows[1], "id": rows[0]["id"]}, *rows[2:]], "1 rows have the id of another row"),
        (change_first(language="arb_Arab"), "rows of ['arb_Arab'] in the folder of swh_Latn"),
        (change_first(language="swh_Xxxx"), "unknown languages ['swh_Xxxx']"),
        (change_first(source="xp3x"), "source xp3x: 1 rows kept in the files, 0 in the manifest"),
        (change_first(origin="martian"), "unknown origins ['martian']"),
        (change_first(messages=turns("user", "gpt")), "unknown roles ['gpt']"),
        (change_first(messages=turns("user", None)), "unknown roles"),
        (change_first(messages=turns("assistant", "user")), "last turn is not the assistant's"),
        (change_first(messages=turns("user", "assistant", "tool")), "last turn is not the assistant's"),
        (change_first(messages=turns("assistant")), "fewer than two turns"),
        (change_first(messages=[]), "fewer than two turns"),
        (change_first(messages=turns("user", "assistant", content="")), "an empty turn"),
        (change_first(messages=turns("user", "assistant", content=None)), "an empty turn"),
        (change_first(id="x" * 32), SWAHILI),
        (change_first(id="12345"), SWAHILI),
        (change_first(id="ab" * 15), SWAHILI),
        (lambda rows: [{**rows[0], "id": "a" * 31}, {**rows[1], "id": "a" * 33}, *rows[2:]], SWAHILI),
    ],
)
def test_a_damaged_row_is_found(collection, change, told):
    edit_rows(collection / SWAHILI, change)
    assert told in "\n".join(problems(collection))


REJECT_DAMAGES = {
    "dropped": lambda rows: rows[1:],
    "doubled": lambda rows: [*rows, rows[0]],
    "another reason": change_first(reason="too_long"),
    "no reason": change_first(reason="no_such_reason"),
    "another language": change_first(language="eng_Latn"),
    "another source": change_first(source="elsewhere"),
}


@pytest.mark.parametrize("damage", REJECT_DAMAGES)
def test_a_damaged_reject_is_found(stage, damage):
    edit_rows(stage / "rejects/part-00000-of-00002.parquet", REJECT_DAMAGES[damage])
    assert list(problems(stage))


def add(change, *keys):
    """Adds to the count that stands under some keys."""

    def edit(values):
        *path, last = keys
        for key in path:
            values = values[key]
        values[last] = values.get(last, 0) + change

    return [edit]


MANIFEST_DAMAGES = {
    "one more in": add(1, "rows_in"),
    "one fewer out": add(-1, "rows_out"),
    "one more in and out": add(1, "rows_in") + add(1, "rows_out"),
    "one fewer rejected": add(-1, "rows_rejected"),
    "one fewer in and rejected": add(-1, "rows_in") + add(-1, "rows_rejected"),
    "a reason of more": add(1, "rejected", "too_short"),
    "a reason for another": add(-1, "rejected", "too_short") + add(1, "rejected", "too_long"),
    "a language of fewer": add(-1, "languages", "swh_Latn", "rows_out"),
    "a reason for another in a language": add(-1, "languages", "swh_Latn", "rejected", "too_short")
    + add(1, "languages", "swh_Latn", "rejected", "too_long"),
    "a language for another": add(1, "languages", "swh_Latn", "rows_in") + add(-1, "languages", "arb_Arab", "rows_in"),
    "a source for another": add(1, "sources", "aya", "rows_in") + add(-1, "sources", "xp3x", "rows_in"),
    "a source of fewer": add(-1, "sources", "aya", "rows_in"),
    "a language gone": [lambda values: values["languages"].pop("arb_Arab")],
    "a source without rejects": [lambda values: values["sources"]["xp3x"]["rejected"].clear()],
}


@pytest.mark.parametrize("damage", MANIFEST_DAMAGES)
def test_an_edited_count_in_the_manifest_is_found(stage, damage):
    for change in MANIFEST_DAMAGES[damage]:
        edit_json(stage / "manifest.json", change)
    assert list(problems(stage))


STATISTICS_DAMAGES = {
    "rows": add(-1, "languages", "swh_Latn", "rows"),
    "turns": add(1, "languages", "swh_Latn", "turns"),
    "characters": add(1, "languages", "swh_Latn", "target_characters"),
    "a licence": add(1, "languages", "swh_Latn", "license", "MIT"),
    "a split": add(1, "languages", "swh_Latn", "split", "train"),
    "the total": add(1, "total", "rows"),
    "a language gone": [lambda values: values["languages"].pop("swh_Latn")],
    "a language more": [lambda values: values["languages"].update(tha_Thai=values["languages"]["swh_Latn"])],
}


@pytest.mark.parametrize("damage", STATISTICS_DAMAGES)
def test_edited_statistics_are_found(collection, damage):
    for change in STATISTICS_DAMAGES[damage]:
        edit_json(collection / "stats.json", change)
    assert list(problems(collection))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"languages": {"swh_Latn": {}}}', b"\xff"])
def test_damaged_statistics_are_told_not_stumbled_over(collection, content):
    (collection / "stats.json").write_bytes(content)
    try:
        found = list(problems(collection))
    except GlotmillError as error:
        found = [str(error)]
    assert "stats.json" in "\n".join(found)


FILE_DAMAGES = {
    "data gone": lambda folder: (folder / SWAHILI).unlink(),
    "rejects gone": lambda folder: (folder / REJECTS).unlink(),
    "statistics gone": lambda folder: (folder / "stats.json").unlink(),
    "no split": lambda folder: (folder / SWAHILI).rename(folder / SWAHILI.replace("train", "trian")),
    "another split": lambda folder: (folder / SWAHILI).rename(folder / SWAHILI.replace("train", "validation")),
    "another folder": lambda folder: (folder / "data/swh_Latn").rename(folder / "data/swa"),
    "twice": lambda folder: shutil.copy(folder / SWAHILI, folder / SWAHILI.replace("train", "validation")),
    "rejects as data": lambda folder: shutil.copy(folder / REJECTS, folder / SWAHILI),
    "data as rejects": lambda folder: shutil.copy(folder / SWAHILI, folder / REJECTS),
}


@pytest.mark.parametrize("damage", FILE_DAMAGES)
def test_a_file_that_is_gone_or_in_the_wrong_place_is_found(collection, damage):
    FILE_DAMAGES[damage](collection)
    assert list(problems(collection))


@pytest.mark.parametrize("name", [SWAHILI, REJECTS])
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_found_and_named(collection, name, share):
    path = collection / name
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert f"{name} cannot be read" in "\n".join(problems(collection))


@pytest.mark.parametrize("name", [SWAHILI, REJECTS])
def test_flipped_bits_in_a_file_never_break_the_check(collection, name):
    path = collection / name
    content = path.read_bytes()
    rng = random.Random(7)
    found = 0
    for _ in range(60):
        damaged = bytearray(content)
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        found += bool(list(problems(collection)))
    assert found >= 30


def test_a_flipped_bit_that_changes_a_row_is_found(collection):
    """Nothing in the counts speaks of the text itself: only a checksum can."""
    path = collection / SWAHILI
    rows = list(store.records(collection))
    content = path.read_bytes()
    missed = []
    for place in range(100, len(content), 23):
        damaged = bytearray(content)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        if not list(problems(collection)) and list(store.records(collection)) != rows:
            missed.append(place)
    assert missed == []


def test_a_folder_that_is_not_finished_cannot_be_checked(stage):
    edit_json(stage / "manifest.json", lambda values: values.update(complete=False))
    with pytest.raises(SourceError, match="unfinished"):
        list(problems(stage))
    (stage / "manifest.json").unlink()
    with pytest.raises(SourceError, match=r"no manifest\.json"):
        list(problems(stage))


def test_several_problems_are_all_told(collection):
    edit_rows(collection / SWAHILI, change_first(origin="martian", messages=turns("user", "gpt")))
    edit_json(collection / "manifest.json", lambda values: values.update(rows_in=1))
    told = "\n".join(problems(collection))
    assert "martian" in told and "gpt" in told and "1 rows in" in told


def test_equal_ids_are_found_wherever_they_stand_and_however_many_looks_it_takes(collection, monkeypatch):
    rows = [*pq.read_table(collection / SWAHILI).to_pylist()]
    arabic = collection / SWAHILI.replace("swh_Latn", "arb_Arab")
    edit_rows(arabic, lambda found: [{**row, "id": other["id"]} for row, other in zip(found, rows, strict=True)])
    for at_once in (1, 5, 1 << 24):
        monkeypatch.setattr(validate, "_IDS_AT_ONCE", at_once)
        assert list(problems(collection)) == ["12 rows have the id of another row"]


def test_what_is_wrong_with_many_rows_of_a_file_is_told_once(stage):
    edit_rows(stage / "data/part-00000-of-00002.parquet", lambda rows: [{**row, "origin": "x"} for row in rows] * 2000)
    assert sum("unknown origins" in one for one in problems(stage)) == 1


def test_text_that_is_not_utf_8_is_found(collection):
    table = pq.read_table(collection / SWAHILI)
    damaged = pa.array([b"\xff"] * len(table)).cast(pa.binary()).view(pa.string())
    column = table.schema.get_field_index("task")
    pq.write_table(table.set_column(column, record.SCHEMA.field("task"), damaged), collection / SWAHILI)
    told = "\n".join(problems(collection))
    assert SWAHILI in told and "UTF8" in told


def test_equal_rows_may_stand_in_a_stage_that_was_not_deduplicated(tmp_path):
    rows = [make_record(1, "swh_Latn")] * 2
    with PartWriter(tmp_path, 0, 1) as part:
        part.write(rows)
    write_manifest(tmp_path, "ingest", add_up(rows, []))
    assert list(problems(tmp_path)) == []
    assert asdict(Manifest.read(tmp_path))["rows_out"] == 2
