"""Small tokenizers, trained once, on names of countries and months in languages of many scripts."""

import pytest

from collection.languages import resolve
from core.config import build
from glotmill.sample.facts import facts, parallel
from tokenizer.train import TokenizerConfig, train

LANGUAGES = ("eng_Latn", "swh_Latn", "arb_Arab", "hin_Deva", "tha_Thai", "khm_Khmr", "zho_Hans", "kor_Hang", "vie_Latn")


def lines_of(code):
    """Some hundred words of a language, the same ones in every language."""
    language = resolve(code)
    names = list(parallel(language).values())
    return [*names, *(fact.answer for fact in facts(language, language.name))]


@pytest.fixture(scope="session")
def texts(tmp_path_factory):
    """A folder of plain text, a file a language."""
    folder = tmp_path_factory.mktemp("text")
    for code in LANGUAGES:
        (folder / f"{code}.txt").write_text("".join(line + "\n" for line in lines_of(code)), "utf-8")
    return folder


@pytest.fixture(scope="session")
def sentences(tmp_path_factory):
    """The parallel ones of them, in SIB-200's layout."""
    folder = tmp_path_factory.mktemp("parallel")
    for code in LANGUAGES:
        (folder / code).mkdir()
        rows = "".join(f"{key}\t{line}\n" for key, line in parallel(resolve(code)).items())
        (folder / code / "test.tsv").write_text("index_id\ttext\n" + rows, "utf-8")
    return folder


@pytest.fixture(scope="session")
def make(tmp_path_factory):
    """Trains with a configuration as nested dicts; gives the folder."""

    def run(**values):
        out = tmp_path_factory.mktemp("out") / "tokenizer"
        train(build(TokenizerConfig, values), out)
        return out

    return run


@pytest.fixture(scope="session")
def trained(make, texts):
    """A unigram tokenizer of 2,048 pieces with two user symbols."""
    return make(
        text=str(texts),
        vocabulary={"size": 2000, "symbols": ["<|user|>", "<|assistant|>"]},
        parity={"rounds": 1},
    )


@pytest.fixture(scope="session")
def bpe(make, texts):
    """A BPE tokenizer of the same."""
    vocabulary = {"size": 2000, "type": "bpe", "symbols": ["<|user|>"], "collapse_spaces": True}
    return make(text=str(texts), vocabulary=vocabulary, sample={"rule": "temperature"})
