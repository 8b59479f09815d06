"""The card of a collection: front matter that the hub can read, and everything that a reader must know."""

import pytest
import yaml

from collection import card
from collection.manifest import Balance, Input, Manifest
from collection.record import Message, Record, to_batch
from collection.splits import SPLITS
from collection.stats import LanguageStats, measure


def counted(language, source="aya", licence="Apache-2.0", **splits):
    """Statistics of so many rows a split."""
    found = LanguageStats()
    messages = (Message("user", "ab"), Message("assistant", "abcd"))
    for split, rows in splits.items():
        record = Record("0" * 32, language, messages, source, license=licence)
        found.add(measure(to_batch([record] * rows), split))
    return found


INGEST = {
    "command": "ingest",
    "config": {"filters": {"min_characters": 10}, "name": "日本語"},
    "rows_in": 1200,
    "rows_out": 1100,
    "rejected": {"too_short": 60, "wrong_script": 40},
    "warnings": ["wrong_script takes 60% of khm_Khmr"],
    "notes": ["2 files hold exactly 100,000 rows"],
    "repaired": {"split_id": 7},
    "masked": {"EMAIL": 3, "PHONE": 1234},
    "language_id": {"detector": "vote", "relabelled": [["swh_Latn", "eng_Latn", 5], ["yor_Latn", "eng_Latn", 2]]},
}


def manifest(**changes):
    values = {
        "command": "build",
        "glotmill": "0.1.0",
        "code": "c",
        "versions": {},
        "config": {"deduplicate": True},
        "inputs": [Input("in", 1, "h")],
        "shards": 1,
        "rows_in": 1100,
        "rows_out": 1000,
        "rows_rejected": 100,
        "rejected": {"exact_duplicate": 100},
        "languages": {"swh_Latn": Balance(1100, 1000, {"exact_duplicate": 100})},
        "sources": {"aya": Balance(1100, 1000, {"exact_duplicate": 100})},
        "language_id": {},
        "repaired": {},
        "masked": {},
        "warnings": ["no validation rows in nob_Latn"],
        "upstream": [INGEST],
        "run": {"python": "3.11.9"},
        "complete": True,
    }
    return Manifest(**values | changes)


LANGUAGES = {
    "swh_Latn": counted("swh_Latn", train=980, validation=10, test=10),
    "nob_Latn": counted("nob_Latn", licence="CC-BY-SA-4.0", train=5),
    "zho_Hant": counted("zho_Hant", source="share|gpt", licence="unknown", train=3, test=1),
    "arz_Arab": counted("arz_Arab", train=1),
}


@pytest.fixture(scope="module")
def text():
    return card.render('Ya "watu" wote: 你好', manifest(), LANGUAGES)


@pytest.fixture(scope="module")
def front(text):
    head, matter, _ = text.split("---\n", 2)
    assert head == ""
    return yaml.safe_load(matter)


def test_the_front_matter_is_yaml_with_the_names_as_they_are(front):
    assert front["pretty_name"] == 'Ya "watu" wote: 你好'
    assert front["language"] == ["arz", "nb", "sw", "zh"]
    assert front["license"] == ["apache-2.0", "cc-by-sa-4.0", "unknown"]
    assert front["size_categories"] == ["1K<n<10K"]
    assert front["task_categories"] == ["text-generation"]


def test_every_tag_is_quoted_so_that_no_is_not_false(text):
    matter = text.split("---\n")[1]
    tags = matter.split("language:\n")[1].split("license:\n")[0].splitlines()
    assert tags == ['- "arz"', '- "nb"', '- "sw"', '- "zh"']


@pytest.mark.parametrize("name", ["plain", "a: b", "- x", "'q'", "#1", "no", "1.5", "{x}", "ชุด\\n", "📚"])
def test_any_name_survives_the_front_matter(name):
    matter = card.render(name, manifest(), LANGUAGES).split("---\n")[1]
    assert yaml.safe_load(matter)["pretty_name"] == name


def test_every_language_has_a_configuration_with_the_splits_that_it_has(front):
    configs = {config["config_name"]: config for config in front["configs"]}
    assert list(configs) == ["default", "arz_Arab", "nob_Latn", "swh_Latn", "zho_Hant"]
    assert [name for name, config in configs.items() if config.get("default")] == ["default"]
    files = {name: {one["split"]: one["path"] for one in config["data_files"]} for name, config in configs.items()}
    assert files["default"] == {split: f"data/*/{split}-*.parquet" for split in SPLITS}
    assert files["swh_Latn"] == {split: f"data/swh_Latn/{split}-*.parquet" for split in SPLITS}
    assert files["nob_Latn"] == {"train": "data/nob_Latn/train-*.parquet"}
    assert list(files["zho_Hant"]) == ["train", "test"]


def table(text, title):
    """The rows of the table under a title, as lists of cells."""
    lines = text.split(f"## {title}\n\n")[1].split("\n\n")[0].splitlines()
    rows = [
        [cell.strip().replace("\0", "|") for cell in line.replace("\\|", "\0").strip("|").split("|")] for line in lines
    ]
    assert {len(row) for row in rows} == {len(rows[0])}
    return [rows[0], *rows[2:]]


def test_the_body_tells_what_there_is(text):
    assert '# Ya "watu" wote: 你好\n' in text
    assert "1,010 conversations in 4 languages (4 of Aya's 101), made by glotmill 0.1.0 on Python 3.11.9" in text
    assert 'load_dataset("Ya "watu" wote: 你好", "swh_Latn")' in text  # the largest serves as the example
    assert table(text, "Languages")[0] == [
        *("language", "name", "resources", "train", "validation", "test", "characters an answer")
    ]
    assert ["`swh_Latn`", "Swahili", "low", "980", "10", "10", "4"] in table(text, "Languages")
    assert len(table(text, "Languages")) == 1 + len(LANGUAGES)


def test_the_body_tells_which_source_has_which_licence(text):
    assert table(text, "Sources")[1:] == [
        ["aya", "human", "Apache-2.0", "1,001"],
        ["aya", "human", "CC-BY-SA-4.0", "5"],
        ["share|gpt", "human", "unknown", "4"],
    ]


def test_the_body_tells_what_was_left_out_and_why(text):
    rows = table(text, "What was left out")
    assert [[stage, reason, count] for stage, reason, _, count in rows[1:]] == [
        ["ingest", "`too_short`", "60"],
        ["ingest", "`wrong_script`", "40"],
        ["build", "`exact_duplicate`", "100"],
    ]
    assert rows[3][2] == "the same conversation as a row that was kept"


def test_the_body_tells_what_was_changed(text):
    assert table(text, "What was changed")[1:] == [
        ["language relabelled", "7"],
        ["masked: email", "3"],
        ["masked: phone", "1,234"],
        ["repaired: split id", "7"],
    ]
    assert "- 2 files hold exactly 100,000 rows\n" in text


def test_the_warnings_of_every_stage_are_shown_before_everything_else(text):
    warnings = [line for line in text.splitlines() if line.startswith("> **Warning.**")]
    assert warnings == [
        "> **Warning.** wrong_script takes 60% of khm_Khmr",
        "> **Warning.** no validation rows in nob_Latn",
    ]
    assert text.index("> **Warning.**") < text.index("## Sources")


def test_the_body_tells_how_every_stage_was_run(text):
    how = text.split("## How it was made\n")[1]
    assert "`glotmill ingest`: 1,200 rows in, 1,100 out" in how
    assert "`glotmill build`: 1,100 rows in, 1,000 out" in how
    assert '"name": "日本語"' in how and '"deduplicate": true' in how
    assert how.count("```") % 2 == 0


def test_a_collection_without_rows_has_a_card_too():
    text = card.render("empty", manifest(warnings=[], upstream=[]), {})
    assert yaml.safe_load(text.split("---\n")[1])["size_categories"] == ["n<1K"]
    assert "0 conversations in 0 languages" in text
    assert "## Languages" not in text and "Warning" not in text


def test_equal_statistics_make_an_equal_card(text):
    assert card.render('Ya "watu" wote: 你好', manifest(), dict(reversed(LANGUAGES.items()))) == text


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (0, "n<1K"),
        (999, "n<1K"),
        (1_000, "1K<n<10K"),
        (10_000, "10K<n<100K"),
        (999_999, "100K<n<1M"),
        (1_000_000, "1M<n<10M"),
        (99_999_999, "10M<n<100M"),
        (100_000_000, "100M<n<1B"),
        (1_000_000_000, "n>1B"),
    ],
)
def test_the_size_is_one_of_the_hubs_classes(rows, expected):
    assert card.size_category(rows) == expected


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("Apache-2.0", "apache-2.0"),
        ("CC-BY-SA-4.0", "cc-by-sa-4.0"),
        ("unknown", "unknown"),
        ("", "unknown"),
        ("LicenseRef-scraped", "other"),
    ],
)
def test_a_licence_has_the_hubs_name_for_it(licence, expected):
    assert card.license_tag(licence) == expected
