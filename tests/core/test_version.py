"""The hash of the code changes with the code, and with nothing else."""

import itertools
import json
import re

import pytest

import glotmill
from core import version

NUMBER = itertools.count()


@pytest.fixture
def hash_of(tmp_path, monkeypatch):
    """The hash of a package with these files. Every package has a name of its own, since hashes are remembered."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(files):
        name = f"hashed_package_{next(NUMBER)}"
        for path, content in files.items():
            (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / path).write_text(content, "utf-8")
        return version.code_hash(name)

    return write


BASE = {"__init__.py": "", "a.py": "x = 1\n", "sub/__init__.py": "", "sub/languages.tsv": "swh_Latn\tKiswahili\n"}


def test_equal_code_has_an_equal_hash_wherever_it_stands(hash_of):
    assert hash_of(BASE) == hash_of(BASE)
    assert re.fullmatch("[0-9a-f]{16}", hash_of(BASE))


@pytest.mark.parametrize(
    "change",
    [
        {"a.py": "x = 2\n"},
        {"sub/languages.tsv": "swh_Latn\tSwahili\n"},
        {"sub/new.py": ""},
        {"defaults.toml": "a = 1\n"},
        {"prompts.txt": "Soma."},
    ],
)
def test_every_change_of_code_or_data_changes_the_hash(hash_of, change):
    assert hash_of(BASE | change) != hash_of(BASE)


def test_a_renamed_module_changes_the_hash(hash_of):
    renamed = {("b.py" if path == "a.py" else path): content for path, content in BASE.items()}
    assert hash_of(renamed) != hash_of(BASE)


def test_what_is_no_code_does_not_change_the_hash(hash_of):
    assert hash_of(BASE | {"__pycache__/a.cpython-311.pyc": "x", "README.md": "x"}) == hash_of(BASE)


def test_how_a_page_looks_does_not_change_the_hash(hash_of):
    assert hash_of(BASE | {"page.html.j2": "x", "style.css": "x", "table.js": "x"}) == hash_of(BASE)


def test_the_packages_of_a_stage_are_hashed_together():
    alone, together = version.code_hash("glotmill"), version.code_hash("glotmill", "collection")
    assert alone != together != version.code_hash("collection")


def test_the_description_holds_the_version_and_is_json():
    values = json.loads(json.dumps(version.describe()))
    assert values["glotmill"] == glotmill.__version__ == version.VERSION
    assert values["python"] and values["platform"]
