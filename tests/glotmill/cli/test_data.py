"""ingest, build and the collection commands, from the shell."""

import json

import pytest


@pytest.fixture
def ingested(tmp_path, write_lines, glotmill):
    """A folder that `glotmill ingest` wrote: three good rows, two bad ones."""
    rows = [
        {"inputs": "Je, wiki ina siku ngapi?", "targets": "Wiki moja ina siku saba.", "language": "swh_Latn"},
        {"inputs": "Je, wiki ina siku ngapi?", "targets": "Wiki moja ina siku saba.", "language": "swh_Latn"},
        {"inputs": "כמה ימים יש בשבוע?", "targets": "בשבוע יש שבעה ימים.", "language": "heb_Hebr"},
        {"inputs": "Empty?", "targets": "", "language": "heb_Hebr"},
        "no json",
    ]
    write_lines(tmp_path / "rows.jsonl", rows)
    done = glotmill("ingest", "--source", "xp3x=rows.jsonl", "--out", "ingested", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_json_has_the_names_that_the_manifest_has(ingested, tmp_path):
    manifest = json.loads((tmp_path / "ingested/manifest.json").read_text())
    assert ingested["out"] == "ingested"
    for name in ("command", "rows_in", "rows_out", "rows_rejected", "rejected", "languages"):
        assert ingested[name] == manifest[name]
    assert ingested["rows_in"] == 5 == ingested["rows_out"] + ingested["rows_rejected"]
    assert ingested["rejected"] == {"invalid_json": 1, "empty_target": 1}
    assert ingested["seconds"] >= 0


def test_tables_tell_people_the_same(ingested, glotmill):
    done = glotmill("ingest", "--source", "xp3x=rows.jsonl", "--out", "ingested")
    assert "5 rows in = 3 kept + 2 rejected" in done.stdout
    assert "empty_target" in done.stdout
    assert "already holds the output of this very run" in done.stderr


def test_a_collection_is_built_checked_shown_and_exported(ingested, glotmill, tmp_path):
    built = glotmill("build", "--input", "ingested", "--out", "collection", "--json")
    assert json.loads(built.stdout)["rejected"] == {"exact_duplicate": 1}
    assert "is sound: 3 rows in = 2 out + 1 rejected" in glotmill("collection", "validate", "collection").stdout
    assert "Wiki moja ina siku saba." in glotmill("collection", "show", "collection", "--language", "Swahili").stdout
    [reject] = json.loads(glotmill("collection", "show", "ingested", "--reason", "empty_target", "--json").stdout)
    assert reject["location"] == "rows.jsonl:4"
    assert json.loads(glotmill("collection", "stats", "collection", "--json").stdout)["total"]["rows"] == 2
    assert "1 of Aya's 101" not in glotmill("collection", "stats", "collection").stdout
    glotmill("collection", "stats", "collection", "--html", "page.html")
    assert "Swahili" in (tmp_path / "page.html").read_text("utf-8")
    exported = glotmill("collection", "export", "collection", "--shape", "aya", "-l", "he", "--out", "he.jsonl")
    assert exported.stdout == "1 rows in he.jsonl\n"
    assert json.loads((tmp_path / "he.jsonl").read_text("utf-8"))["targets"] == "בשבוע יש שבעה ימים."


def test_what_is_exported_as_sharegpt_comes_back_as_it_was(ingested, glotmill, tmp_path):
    glotmill("collection", "export", "ingested", "--shape", "sharegpt", "--out", "chats.json")
    done = glotmill("ingest", "--source", "sharegpt=chats.json", "--out", "again", "--json")
    assert json.loads(done.stdout)["rows_out"] == 3
    before, after = (
        glotmill("collection", "export", folder, "--out", f"{folder}.jsonl")
        and (tmp_path / f"{folder}.jsonl").read_text("utf-8")
        for folder in ("ingested", "again")
    )
    messages = [[json.loads(line)["messages"] for line in text.splitlines()] for text in (before, after)]
    assert messages[0] == messages[1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["collection", "export", "ingested", "--out", "x.csv"], "expected a file called *.jsonl"),
        (["collection", "export", "ingested", "--shape", "share", "--out", "x.jsonl"], "unknown shape 'share'"),
        (["collection", "export", "ingested", "--split", "dev", "--out", "x.jsonl"], "unknown split 'dev'"),
        (["collection", "export", "ingested", "--split", "train", "--out", "x.jsonl"], "has no splits"),
        (["collection", "show", "ingested", "--reason", "empty"], "the nearest are empty_"),
        (["collection", "show", "ingested", "-l", "Swahilly"], "the nearest are Swahili"),
        (
            ["collection", "show", "ingested", "-l", "Thai"],
            "no row of tha_Thai is in this folder; it has heb_Hebr, swh",
        ),
        (["collection", "export", "ingested", "-l", "Thai", "--out", "x.jsonl"], "no row of tha_Thai"),
        (["build", "--input", "ingested", "--out", "o", "--set", "raw_limit=-1"], "raw_limit is -1"),
        (["build", "--input", "ingested", "--out", "o", "--set", "run.workers=-3"], "run.workers is -3"),
        (["build", "--input", "ingested", "--out", "o", "--plan", "--decontaminate", "q=none"], "none"),
        (["ingest", "--source", "aya=rows.jsonl", "--out", "ingested"], "holds another run: config.sources"),
        (["ingest", "--source", "sharegpt=rows.jsonl", "--out", "o"], "rows.jsonl cannot be read as sharegpt"),
    ],
)
def test_mistakes_are_told(ingested, glotmill, arguments, told):
    done = glotmill(*arguments)
    assert done.returncode == 2
    assert told in done.stderr


def test_a_damaged_collection_is_not_sound(ingested, glotmill, tmp_path):
    next((tmp_path / "ingested/data").iterdir()).unlink()
    done = glotmill("collection", "validate", "ingested")
    assert done.returncode == 2
    assert "in the files" in done.stdout
    assert "is not sound" in done.stderr


def test_a_table_is_read_by_its_mapping_from_a_configuration(glotmill, tmp_path):
    (tmp_path / "rows.csv").write_text('question,answer\n"What, again?",Yes it is again what it was before.\n', "utf-8")
    (tmp_path / "c.toml").write_text(
        '[[sources]]\nkind = "table"\npath = "rows.csv"\n'
        '[sources.options]\nname = "mine"\ninputs = "{question}"\ntargets = "{answer}"\nlanguage = "English"\nlicense = "MIT"\n'
    )
    done = glotmill("ingest", "--config", "c.toml", "--out", "o", "--json")
    assert json.loads(done.stdout)["rows_out"] == 1, done.stderr
    [row] = json.loads(glotmill("collection", "show", "o", "--json").stdout)
    assert (row["source"], row["license"], row["language"]) == ("mine", "MIT", "eng_Latn")
    assert row["messages"][0]["content"] == "What, again?"


def test_options_after_dashes_go_to_beam(ingested, glotmill):
    done = glotmill(
        "ingest", "--source", "xp3x=rows.jsonl", "--out", "o", "--json", "--", "--runner=BundleBasedDirectRunner"
    )
    assert json.loads(done.stdout)["rows_out"] == 3, done.stderr


def test_a_plan_is_told_and_nothing_is_written(ingested, glotmill, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    for command in (["ingest", "--source", "xp3x=rows.jsonl"], ["build", "--input", "ingested"]):
        told = glotmill(*command, "--out", "planned", "--plan")
        assert told.returncode == 0 and "about" in told.stdout and "nothing was written" in told.stdout
        values = json.loads(glotmill(*command, "--out", "planned", "--plan", "--json").stdout.splitlines()[-1])
        assert values["command"] == command[0] and values["plan"] is True and values["rows"] in (3, 4, 5)
    assert sorted(tmp_path.rglob("*")) == before
