"""The demo: the whole of it, as a newcomer runs it."""

import json

from collection.reject import Reason


def test_the_demo_makes_a_collection_of_all_languages_with_every_reject(glotmill, tmp_path):
    done = glotmill("demo", "--out", "demo")
    assert done.returncode == 0, done.stderr
    assert "where to look next" in done.stdout
    again = glotmill("demo", "--out", "demo", "--json")
    told = json.loads(again.stdout.splitlines()[-1])
    assert len(told["languages"]) >= 101
    # What the demo cannot show is a bug of ours, and a budget, as nothing in it is paid for.
    assert set(told["rejected"]) == set(Reason) - {Reason.INTERNAL_ERROR, Reason.OVER_BUDGET}
    assert told["rows_in"] == told["rows_out"] + told["rows_rejected"]
    assert told["rows_rejected"] == sum(told["rejected"].values())
    stages = ("ingested-xp3x", "ingested", "templated", "translated", "curt", "synthesized", "collection", "tokens")
    for folder in stages:
        assert "is sound" in glotmill("collection", "validate", f"demo/{folder}").stdout
    assert "dearest languages of demo/tokenizer" in done.stdout
    about = json.loads((tmp_path / "demo/tokenizer/glotmill_tokenizer.json").read_text("utf-8"))
    assert about["vocabulary"] == 6016 and len(about["sample"]) == 101
    card = (tmp_path / "demo/collection/README.md").read_text("utf-8")
    assert "| Swahili |" in card
    assert "| synthetic |" in card
    assert "| quiz | template |" in card and "| sharegpt | translated |" in card
