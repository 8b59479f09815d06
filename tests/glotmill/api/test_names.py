"""The names of `import glotmill`: what they are, and what importing them loads."""

from __future__ import annotations

import json
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import glotmill

ROOT = Path(__file__).resolve().parents[3]
LARGE = {"apache_beam", "jax", "pandas", "datasets", "pyarrow", "numpy", "pydantic", "sentencepiece", "tokenizers"}


def test_import_loads_no_large_library_and_takes_less_than_a_tenth_of_a_cpu_second():
    code = (
        "import json, sys, time; started = time.process_time(); import glotmill; "
        "print(json.dumps([time.process_time() - started, sorted(sys.modules)]))"
    )
    runs = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        seconds, modules = json.loads(done.stdout)
        assert LARGE & {name.partition(".")[0] for name in modules} == set()
        runs.append(seconds)
    assert min(runs) < 0.1


def test_every_public_name_is_there_and_listed():
    assert set(glotmill.__all__) == set(dir(glotmill))
    for name in glotmill.__all__:
        assert getattr(glotmill, name) is not None


def test_every_public_name_has_a_docstring_and_types():
    for name in set(glotmill.__all__) - {"__version__"}:
        member = getattr(glotmill, name)
        assert member.__doc__
        if not isinstance(member, type):
            annotations = member.__annotations__
            arguments = member.__code__.co_varnames[: member.__code__.co_argcount + member.__code__.co_kwonlyargcount]
            assert set(annotations) == {*arguments, "return"}


def test_the_page_lists_every_public_name():
    page = (ROOT / "docs/python.md").read_text("utf-8")
    for name in set(glotmill.__all__) - {"__version__"}:
        assert f"| `{name}" in page


def test_a_name_that_does_not_exist_lists_those_that_do():
    with pytest.raises(AttributeError, match="no attribute 'ingset'; it has ingest, build"):
        glotmill.ingset  # noqa: B018


def test_a_user_error_is_the_root_of_the_errors_of_the_command():
    from core import errors

    for error in (errors.ConfigError, errors.SourceError, errors.OutputError, errors.UnknownNameError):
        assert issubclass(error, glotmill.UserError)


def test_the_types_of_a_checker_are_the_types_at_run_time():
    hints = typing.get_type_hints(glotmill.load_collection)
    assert hints["return"] is glotmill.Collection
