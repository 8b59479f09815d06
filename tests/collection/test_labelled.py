"""Text whose language is known is found in every layout in which such sets are published."""

import bz2
import gzip

import pytest

from collection import labelled
from collection.record import Message, Record
from collection.store import PartWriter
from core.errors import SourceError


def read(path, limit=0):
    return {language.code: texts for language, texts in labelled.read(path, limit)}


@pytest.fixture
def put(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path

    return write


TABLE = 'index_id\tcategory\ttext\n1\tx\tHabari ya leo\n2\ty\t"alisema ""sawa"" kwake"\n3\tz\t\n'


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"swh_Latn/train.tsv": TABLE}, {"swh_Latn": ["Habari ya leo", 'alisema "sawa" kwake']}),
        (
            {"a/b/th/train.tsv": "text\nวันนี้\n", "a/b/th/test.tsv": "text\nพรุ่งนี้\n"},
            {"tha_Thai": ["พรุ่งนี้", "วันนี้"]},
        ),
        ({"swh_Latn.txt": "moja\n\n  \nmbili\r\n"}, {"swh_Latn": ["moja", "mbili"]}),
        ({"ntrex.sr-Latn.txt": "jedan\n", "srp_Cyrl.devtest": "два\n"}, {"srp_Cyrl": ["два"], "srp_Latn": ["jedan"]}),
        ({"arb_Arab.dev": "واحد\n", "heb_Hebr.test": "אחת\n"}, {"arb_Arab": ["واحد"], "heb_Hebr": ["אחת"]}),
        (
            {
                "tatoeba.afr-eng.afr": "een\n",
                "tatoeba.afr-eng.eng": "one\n",
                "tatoeba.fra-eng.fra": "un\n",
                "tatoeba.fra-eng.eng": "two\n",
            },
            {"afr_Latn": ["een"], "eng_Latn": ["two"], "fra_Latn": ["un"]},  # English once, not beside every language
        ),
        (
            {
                "swh_Latn.txt": "moja\n",
                "README.txt": "x\n",
                "LICENSE": "x\n",
                "notes/x.tsv": "text\nx\n",
                "yor.md": "x\n",
            },
            {"swh_Latn": ["moja"]},
        ),
        ({"swa.txt": "moja\n", "swh_Latn.txt": "mbili\n"}, {"swh_Latn": ["moja", "mbili"]}),
    ],
)
def test_texts_are_found_by_the_names_of_files_and_folders(put, files, expected):
    for name, text in files.items():
        folder = put(name, text)
    found = read(folder)
    assert found == expected
    assert list(found) == sorted(found)


def test_the_limit_is_one_of_every_language(put):
    put("swh_Latn.txt", "moja\nmbili\ntatu\n")
    folder = put("yor_Latn.txt", "ọ̀kan\n")
    assert read(folder, 2) == {"swh_Latn": ["moja", "mbili"], "yor_Latn": ["ọ̀kan"]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\ufeffmoja\nmbili\n", ["moja", "mbili"]),
        ("moja\u2028bado moja\nmbili\n", ["moja\u2028bado moja", "mbili"]),
        ("moja\x85bado moja\nmbili", ["moja\x85bado moja", "mbili"]),
    ],
)
def test_a_line_is_a_line_whatever_stands_in_it(put, text, expected):
    assert read(put("swh_Latn.txt", text)) == {"swh_Latn": expected}


def test_a_table_may_begin_with_a_byte_order_mark(put):
    assert read(put("swh_Latn/x.tsv", "\ufefftext\tx\nmoja\t1\n")) == {"swh_Latn": ["moja"]}


def test_compressed_files_are_named_as_plain_ones(put):
    put("swh_Latn.txt.gz", gzip.compress(b"moja\n"))
    put("tatoeba.afr-eng.afr.bz2", bz2.compress(b"een\n"))
    assert read(put("th/train.tsv.gz", gzip.compress("text\nวันนี้\n".encode()))) == {
        "afr_Latn": ["een"],
        "swh_Latn": ["moja"],
        "tha_Thai": ["วันนี้"],
    }


def test_a_row_of_another_width_is_named(put):
    with pytest.raises(SourceError, match=r"train\.tsv:2 cannot be read as tsv: 1 fields, expected 2"):
        read(put("swh_Latn/train.tsv", "index_id\ttext\n1\tmoja\nmbili\n"))


def test_a_folder_that_glotmill_wrote_gives_the_last_turn_of_every_record(tmp_path):
    messages = (Message("user", "How do you say one?"), Message("assistant", "moja"))
    rows = [
        Record.of(messages=messages, language="swh_Latn", source="x"),
        Record.of(messages=(messages[0], Message("assistant", "หนึ่ง")), language="tha_Thai", source="x"),
    ]
    with PartWriter(tmp_path, 0, 1) as part:
        part.write(rows)
    (tmp_path / "manifest.json").touch()
    assert read(tmp_path) == {"swh_Latn": ["moja"], "tha_Thai": ["หนึ่ง"]}


def test_sib200_is_read_with_all_its_languages(shared):
    found = read(shared("data/sib200") / "annotated", 3)
    assert len(found) == 205
    assert all(len(texts) == 3 and all(texts) for texts in found.values())


def test_tatoeba_is_read_with_all_its_languages(shared):
    found = read(shared("data/tatoeba_v1"), 3)
    assert len(found) > 50
    assert {"eng_Latn", "swh_Latn", "zho_Hans", "heb_Hebr"} <= found.keys()


def test_a_folder_without_text_in_a_known_language_says_what_is_expected(put, tmp_path):
    folder = put("README.txt", "nothing here\n")
    with pytest.raises(SourceError, match=r"expected <code>/train\.tsv"):
        read(folder)
    with pytest.raises(SourceError, match="expected a folder"):
        read(folder / "README.txt")
    with pytest.raises(SourceError, match="expected a folder"):
        read(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("swh_Latn.txt", "مرحبا".encode("cp1256")),
        ("swh_Latn/train.tsv", b"text\n\xff\xfe\n"),
        ("tatoeba.swh-eng.swh", b"\xff"),
    ],
)
def test_a_file_that_is_not_utf_8_is_named(put, name, content):
    with pytest.raises(SourceError, match=name):
        read(put(name, content))


def test_a_table_that_cannot_be_read_is_named(put):
    with pytest.raises(SourceError, match=r"train\.tsv"):
        read(put("swh_Latn/train.tsv", 'text\n"never closed ' + "a" * 200_000 + "\n"))
