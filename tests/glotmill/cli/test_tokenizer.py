"""What `glotmill tokenizer` says on the way from text to shards."""

import pytest

from collection.languages import resolve
from glotmill.sample.facts import facts, parallel


@pytest.fixture
def texts(tmp_path):
    """Parallel files of two languages, and an empty one."""
    folder = tmp_path / "texts"
    folder.mkdir()
    languages = [resolve(code) for code in ("eng_Latn", "swh_Latn")]
    shared = parallel(languages[0]).keys() & parallel(languages[1]).keys()
    for language in languages:
        lines = [parallel(language)[key] for key in sorted(shared)]
        lines += [fact.answer.replace("\n", " ") for fact in facts(language, language.name)]
        (folder / f"{language.code}.txt").write_text("".join(line + "\n" for line in lines[:75]), "utf-8")
    (folder / "fin_Latn.txt").write_text("")
    return folder


def test_a_tokenizer_of_plain_text_is_trained_and_judged(glotmill, texts, tmp_path):
    (texts / "remarks.txt").write_text("mine")
    out = str(tmp_path / "t")
    done = glotmill("tokenizer", "train", "--text", str(texts), "--vocab-size", "600", "--out", out)
    assert done.returncode == 0
    assert "pieces of 2 languages" in done.stdout  # the file of the third is empty
    assert "warning: not read, since no language is in the name: remarks.txt" in done.stderr
    assert "warning: fin_Latn has no text" in done.stdout
    (texts / "fin_Latn.txt").unlink()
    told = glotmill("tokenizer", "report", "--tokenizer", out, "--data", str(texts)).stdout
    assert "mean parity" in told and "no parity" not in told
    with open(texts / "swh_Latn.txt", "a") as file:
        file.write("nane\n")
    told = " ".join(glotmill("tokenizer", "report", "--tokenizer", out, "--data", str(texts)).stdout.split())
    assert "no parity:" in told and "swh_Latn.txt has" in told
    done = glotmill(
        "tokenizer", "encode", "-t", f"{out}/tokenizer.json", "-c", str(texts), "--out", str(tmp_path / "e")
    )
    assert done.returncode == 2
