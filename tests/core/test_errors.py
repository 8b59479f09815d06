"""The one tree of errors, and the words in which it speaks."""

import errno
import os

import pytest

from core import errors
from core.errors import (
    ConfigError,
    GlotmillError,
    MissingDependencyError,
    OutputError,
    SourceError,
    UnknownNameError,
    UserError,
    explain_os_error,
    nearest,
)


@pytest.mark.parametrize("error", [ConfigError, MissingDependencyError, OutputError, SourceError, UnknownNameError])
def test_the_user_can_fix_every_error_that_is_raised_on_purpose(error):
    assert issubclass(error, UserError)
    assert issubclass(UserError, GlotmillError)


def test_an_error_of_the_system_is_none_of_glotmills():
    assert not issubclass(GlotmillError, OSError)
    assert not any(issubclass(OSError, one) for one in vars(errors).values() if isinstance(one, type))


@pytest.mark.parametrize(
    ("seen", "known", "expected"),
    [
        ("swahli", ["Somali", "Swahili", "Zulu"], ["Swahili", "Somali"]),
        ("SWAHILI", ["swahili"], ["swahili"]),
        ("max_repitition", ["max_damaged", "max_repetition", "min_script"], ["max_repetition"]),
        ("τουρκικα", ["Τουρκικά", "Ελληνικά"], ["Τουρκικά"]),
        ("xyzzy", ["Swahili", "Zulu"], []),
        ("", ["Swahili"], []),
        ("Swahili", [], []),
    ],
)
def test_the_nearest_names_come_first_whatever_their_case(seen, known, expected):
    assert nearest(seen, known) == expected


def test_no_more_names_are_given_than_asked_for():
    names = ["data0", "data1", "data2", "data3", "data4"]
    assert len(nearest("data", names)) == 3
    assert len(nearest("data", names, count=5)) == 5


def test_an_unknown_name_is_answered_with_the_nearest_and_with_advice():
    error = UnknownNameError("language", "swahilli", ["Swahili", "Zulu"], "`glotmill languages` lists all codes")
    assert error.seen == "swahilli"
    assert error.nearest == ["Swahili"]
    assert str(error) == ("unknown language 'swahilli'; the nearest are Swahili; `glotmill languages` lists all codes")


def test_an_unknown_name_that_is_like_no_other_is_only_named():
    assert str(UnknownNameError("shape", "日本語", ["aya", "sharegpt"])) == "unknown shape '日本語'"


def test_a_missing_package_comes_with_the_command_that_installs_it():
    message = str(MissingDependencyError("pycld2", "data", "language identification"))
    assert "pip install 'glotmill[data]'" in message
    assert "pycld2" in message and "language identification" in message


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "quota"),
        (errno.EACCES, "permissions"),
        (errno.EROFS, "read-only"),
        (errno.ENOTDIR, "not a folder"),
        (errno.EMFILE, "ulimit"),
    ],
)
def test_an_error_of_the_system_says_what_was_done_what_went_wrong_and_what_to_do(number, advice):
    line = explain_os_error(OSError(number, os.strerror(number)), "cannot write to out")
    assert line.startswith(f"cannot write to out: {os.strerror(number)}")
    assert advice in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.EPIPE, "Broken pipe"), "reading: Broken pipe"),
        (OSError("no number"), "reading: no number"),
    ],
)
def test_an_error_without_advice_is_still_explained(error, expected):
    assert explain_os_error(error, "reading") == expected
