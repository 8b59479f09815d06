"""A TOML file and `--set` overrides become one dataclass; every slip is named with the nearest right key."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Gt, Le

from core import config
from core.errors import ConfigError


@dataclass(frozen=True)
class Limits:
    """Two levels down."""

    max_repetition: float = 0.5
    note: str = ""


@dataclass(frozen=True)
class Filters:
    """One level down."""

    enabled: bool = True
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Source:
    """One of a list."""

    kind: str
    limits: Limits | None = None
    steps: list[Limits] = field(default_factory=list)


@dataclass(frozen=True)
class Job:
    """A configuration with every shape that sections come in."""

    rows: int = 10
    name: str = ""
    mode: Literal["auto", "in_memory"] = "auto"
    languages: tuple[str, ...] = ()
    filters: Filters = field(default_factory=Filters)
    sources: tuple[Source, ...] = ()
    extra: list[Limits] | None = None
    by_language: dict[str, Limits] = field(default_factory=dict)


def test_nothing_given_is_all_defaults():
    assert config.load(Job) == Job()


def test_a_file_is_read_and_an_override_wins_over_it(tmp_path):
    file = tmp_path / "job.toml"
    file.write_text(
        """
        rows = 3
        languages = ["swh_Latn", "arb_Arab"]
        [filters.limits]
        max_repetition = 0.7
        note = "ไทย ✓"
        [[sources]]
        kind = "aya"
        """,
        "utf-8",
    )
    job = config.load(Job, file, ["filters.limits.max_repetition=0.9", "rows=4", "rows=5"])
    assert job == Job(
        rows=5,
        languages=("swh_Latn", "arb_Arab"),
        filters=Filters(limits=Limits(0.9, "ไทย ✓")),
        sources=(Source("aya"),),
    )


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("name=swh_Latn", Job(name="swh_Latn")),
        ("name=a plain = string", Job(name="a plain = string")),
        ('name="quoted"', Job(name="quoted")),
        ("name='no # comment'", Job(name="no # comment")),
        (" name = اللغة ", Job(name="اللغة")),
        ("name=/data/日本語/*.jsonl", Job(name="/data/日本語/*.jsonl")),
        ("name=", Job(name="")),
        ("rows=1_000", Job(rows=1000)),
        ('languages=["sw", "yo"]', Job(languages=("sw", "yo"))),
        ("filters.enabled=false", Job(filters=Filters(enabled=False))),
        ("filters={enabled = false}", Job(filters=Filters(enabled=False))),
        ('sources=[{kind = "aya"}]', Job(sources=(Source("aya"),))),
    ],
)
def test_an_override_is_toml_or_else_a_plain_string(override, expected):
    assert config.load(Job, None, [override]) == expected


@pytest.mark.parametrize("override", ["rows", "=3", "", "rows:3"])
def test_an_override_without_key_or_value_says_what_is_expected(override):
    with pytest.raises(ConfigError, match="expected KEY=VALUE"):
        config.load(Job, None, [override])


def test_an_override_below_a_plain_value_is_refused():
    with pytest.raises(ConfigError, match="'rows' is a value, not a section"):
        config.merged({"rows": 1}, ["rows.more=2"])


def test_overrides_leave_the_values_alone_that_they_are_laid_over():
    values = {"filters": {"limits": {"max_repetition": 0.5}}}
    assert config.merged(values, ["filters.limits.max_repetition=1"])["filters"]["limits"]["max_repetition"] == 1
    assert values == {"filters": {"limits": {"max_repetition": 0.5}}}


@pytest.mark.parametrize(
    ("values", "seen", "meant"),
    [
        ({"row": 1}, "row", "rows"),
        ({"filters": {"enable": True}}, "filters.enable", "filters.enabled"),
        ({"filters": {"limits": {"max_repitition": 1}}}, "filters.limits.max_repitition", "limits.max_repetition"),
        ({"sources": [{"kind": "a"}, {"kindd": "b"}]}, "sources[1].kindd", "sources[1].kind"),
        ({"sources": [{"kind": "a", "limits": {"notes": ""}}]}, "sources[0].limits.notes", "sources[0].limits.note"),
        (
            {"sources": [{"kind": "a", "steps": [{}, {"notes": ""}]}]},
            "sources[0].steps[1].notes",
            "sources[0].steps[1].note",
        ),
        ({"extra": [{"notes": ""}]}, "extra[0].notes", "extra[0].note"),
        ({"by_language": {"swh_Latn": {"notes": ""}}}, "by_language.swh_Latn.notes", "by_language.swh_Latn.note"),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_one_wherever_it_stands(values, seen, meant):
    with pytest.raises(ConfigError) as caught:
        config.build(Job, values)
    assert f"unknown configuration key {seen};" in str(caught.value)
    assert f"{meant}?" in str(caught.value)


def test_an_unknown_key_like_no_other_is_answered_with_all_that_are_known_there():
    with pytest.raises(ConfigError, match=r"unknown configuration key filters\.zzz; known here: enabled, limits"):
        config.build(Job, {"filters": {"zzz": 1}})


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"rows": "many"}, "rows = 'many'"),
        ({"rows": 1.5}, "rows = 1.5"),
        ({"name": 5}, "name = 5"),
        ({"mode": "fast"}, "mode = 'fast'"),
        ({"languages": "swh_Latn"}, "languages = 'swh_Latn'"),
        ({"filters": 3}, "filters = 3"),
        ({"filters": {"limits": {"max_repetition": "high"}}}, "filters.limits.max_repetition = 'high'"),
        ({"sources": {"kind": "aya"}}, "sources = "),
        ({"sources": ["aya"]}, "sources.0 = 'aya'"),
        ({"sources": [{}]}, "sources.0.kind"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_its_key(values, where):
    with pytest.raises(ConfigError) as caught:
        config.build(Job, values)
    assert str(caught.value).startswith(where)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"rows = ", b"\xff\xfe", b"rows = 1\nrows = 2\n"])
def test_a_file_that_is_no_toml_is_named(tmp_path, content):
    file = tmp_path / "job.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"job\.toml"):
        config.load(Job, file)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"no configuration file at .*nowhere\.toml"):
        config.load(Job, tmp_path / "nowhere.toml")
    with pytest.raises(ConfigError, match="cannot read"):
        config.load(Job, tmp_path)


def test_the_resolved_configuration_gives_the_same_one_again():
    job = config.load(Job, None, ["filters.limits.note=a", 'sources=[{kind = "aya", steps = [{note = "b"}]}]'])
    assert config.as_dict(job)["sources"][0]["steps"] == [{"max_repetition": 0.5, "note": "b"}]
    values = {key: value for key, value in config.as_dict(job).items() if value is not None}
    assert config.build(Job, values) == job


@dataclass(frozen=True)
class Bounded:
    """Ranges in annotations, at every depth."""

    share: Annotated[float, Gt(0), Le(1)] = 0.5
    sizes: tuple[Annotated[int, Ge(3)], ...] = ()
    by_name: dict[str, "Bounded"] = field(default_factory=dict)
    inner: "Bounded | None" = None
    limit: Annotated[int, Ge(1)] | None = None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"share": 0}, "share is 0: expected more than 0 and at most 1"),
        ({"share": float("nan")}, "share is nan: expected more than 0 and at most 1"),
        ({"sizes": [4, 2]}, "sizes.1 is 2: expected 3 or more"),
        ({"by_name": {"a": {"share": 2}}}, "by_name.a.share is 2: expected more than 0 and at most 1"),
        ({"inner": {"sizes": [-1]}}, "inner.sizes.0 is -1: expected 3 or more"),
        ({"inner": {"limit": 0}}, "inner.limit is 0: expected 1 or more"),
    ],
)
def test_a_value_out_of_range_is_named_with_its_key_and_its_range(values, message):
    with pytest.raises(ConfigError) as caught:
        config.build(Bounded, values)
    assert str(caught.value) == message
