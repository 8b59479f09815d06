"""Pairs: what files may hold, what is left out and told, which batches come, and what is mined as a negative."""

import gzip
import lzma
from collections import Counter

import numpy as np
import pytest

from core.config import build
from core.errors import ConfigError, SourceError
from finetune.config import FinetuneConfig
from finetune.data.config import DataConfig
from finetune.heads.base import trainable_head
from finetune.heads.config import PairSource
from finetune.heads.inputs import HeadInputs
from finetune.heads.mining import NgramMiner, in_common, mine, miner, trigrams
from finetune.heads.pair_data import PairData
from finetune.heads.pair_store import PairStore
from finetune.heads.pairs import PairReader, TextPair
from tokenizer.vocabulary import Tokenizer


def row(query, document, language="swh_Latn", **more):
    return {"query": query, "document": document, "language": language, **more}


def read(path, **values):
    reader = PairReader(PairSource(str(path), **values))
    return list(reader), dict(reader.left_out)


def test_a_json_line_is_a_pair_with_what_belongs_to_it(write_lines, tmp_path):
    lines = [
        row("moja", "один", "sw", document_language="rus", negatives=["два", " "], document_id=7, split="dev"),
        row("", "x"),
        row("x", None),
        row("a", "b", split="test"),
        "",
        row("a", "b", "deu"),
    ]
    pairs, left_out = read(write_lines(tmp_path / "x.jsonl", lines), without=("deu_Latn",))
    assert pairs == [TextPair("moja", "один", "swh_Latn", "rus_Cyrl", ("два",), "7", "validation")]
    assert left_out == {"without text": 2, "of a test split": 1, "of other languages": 1}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"jsonl:1 cannot be read as jsonl: Expecting property name"),
        ("[1]", r"jsonl:1 cannot be read as jsonl: JSON of type array, expected an object"),
        ({"query": "a", "document": "b"}, r"line 1: no language"),
        (row("a", 3), r"line 1: document is int: expected a string"),
        (row("a", "b", negatives="c"), r"negatives: expected a list of strings"),
        (b"\xff\xfe", r"jsonl:1 cannot be read as jsonl: bytes that are not utf-16"),
        (b'{"query": "\xff"}', r"jsonl:1 cannot be read as jsonl: not utf-8"),
    ],
    ids=str,
)
def test_a_line_that_is_no_pair_is_told_with_its_number(write_lines, tmp_path, line, message):
    with pytest.raises(SourceError, match=message):
        read(write_lines(tmp_path / "x.jsonl", [line]))


def test_columns_and_folders_of_parallel_text(tmp_path):
    (tmp_path / "x.tsv").write_text("a\tb\n\nc\t\n", "utf-8")
    pairs, left_out = read(tmp_path / "x.tsv", form="tsv", query_language="sw", document_language="eng")
    assert pairs == [TextPair("a", "b", "swh_Latn", "eng_Latn")] and left_out == {"without text": 2}
    folder = tmp_path / "tatoeba"
    folder.mkdir()
    for code, own in (("heb", "שלום\r\nעולם\r\n"), ("tha", "สวัสดี\nโลก\n")):
        (folder / f"tatoeba.{code}-eng.{code}").write_bytes(own.encode())
        (folder / f"tatoeba.{code}-eng.eng").write_text("hello\nworld\n", "utf-8")
    (folder / "README.md").write_text("x")
    pairs, left_out = read(folder, form="tatoeba", without=("tha",))
    assert pairs == [TextPair("שלום", "hello", "heb_Hebr", "eng_Latn"), TextPair("עולם", "world", "heb_Hebr", "eng_Latn")]  # fmt: skip
    assert left_out == {"of other languages": 2}
    (folder / "tatoeba.tha-eng.eng").write_text("hello\n", "utf-8")
    with pytest.raises(SourceError, match="2 and 1 lines"):
        read(folder, form="tatoeba")
    with pytest.raises(SourceError, match="holds no parallel text"):
        read(tmp_path, form="tatoeba")
    with pytest.raises(ConfigError, match="is a folder: expected a file"):
        read(folder)


def test_compressed_files_of_pairs_are_read_by_their_suffix(tmp_path):
    (tmp_path / "x.tsv.xz").write_bytes(lzma.compress(b"a\tb\n"))
    pairs, _ = read(tmp_path / "x.tsv.xz", form="tsv", query_language="sw", document_language="eng")
    assert pairs == [TextPair("a", "b", "swh_Latn", "eng_Latn")]
    (tmp_path / "tatoeba.tha-eng.tha.gz").write_bytes(gzip.compress("สวัสดี\n".encode()))
    (tmp_path / "tatoeba.tha-eng.eng").write_text("hello\n")
    assert read(tmp_path, form="tatoeba")[0] == [TextPair("สวัสดี", "hello", "tha_Thai", "eng_Latn")]


def test_a_collection_gives_each_answer_with_what_was_asked(tmp_path):
    from collection import record, store

    turns = (("system", "s"), ("user", "q"), ("assistant", "a"), ("user", "r"), ("assistant", "b"))
    messages = [record.Message(*turn) for turn in turns]
    with store.PartWriter(tmp_path, 0, 1) as writer:
        writer.write([record.Record.of(messages=messages, language="swh_Latn", source="aya")])
    pairs, _ = read(tmp_path, form="collection")
    assert [(pair.query, pair.document) for pair in pairs] == [("q", "a"), ("r", "b")]
    with pytest.raises(SourceError, match="holds no part of a collection"):
        read(tmp_path / "data", form="collection")


def stored(write_lines, tmp_path, lines, sources=None, **data):
    path = write_lines(tmp_path / "pairs.jsonl", lines)
    return PairStore.read(sources or [PairSource(str(path))], build(DataConfig, data))


def test_texts_of_one_id_count_as_one_and_pairs_come_once(write_lines, tmp_path):
    store = stored(
        write_lines,
        tmp_path,
        [row("a", "x", document_id=1), row("b", "y", document_id=1), row("a", "x"), row("x", "z"), row("c", "w")],
    )
    key = dict(zip(store.texts, store.keys_T.tolist(), strict=True))
    assert key["x"] == key["y"] and len(set(key.values())) == len(key) - 1
    assert len(store.train) == 4 and store.notes() == ["pairs.jsonl: 1 pairs there twice are left out"]


def test_no_text_is_trained_on_that_is_held_out(write_lines, tmp_path):
    lines = [row(f"q{n}", f"d{n % 40}", ("swh_Latn", "deu_Latn")[n % 2]) for n in range(200)]
    store = stored(write_lines, tmp_path, [*lines, row("d7", "q7")], validation={"hold_out": 0.3, "examples": 5})
    trained = {store.texts[text] for pair in store.train for text in pair[:2]}
    held = {store.texts[pair.document] for pairs in store.validation.values() for pair in pairs}
    assert held and not held & trained and 60 < len(store.train) < 190
    assert set(store.validation) == {"swh_Latn", "deu_Latn"} and all(len(one) <= 5 for one in store.validation.values())
    split = stored(write_lines, tmp_path, [row("a", "x", split="validation"), row("b", "x"), row("c", "y")])
    assert [store_text(split, pair) for pair in split.train] == [("c", "y")]
    assert split.notes() == ["pairs.jsonl: 1 pairs share a text with a validation pair are left out"]
    with pytest.raises(ConfigError, match="no pair is left to train on; what was left out: 1 without text"):
        stored(write_lines, tmp_path, [row("", "x")])


def store_text(store, pair):
    return store.texts[pair.query], store.texts[pair.document]


@pytest.fixture
def data(write_lines, tmp_path, small_tokenizer):
    """Data of two sources, one large and one small, in three languages."""

    def make(**changes):
        large = [row(f"habari {n}", f"wiki {n}", ("swh_Latn", "hau_Latn")[n % 8 == 0]) for n in range(160)]
        small = [row(f"day {n}", f"день {n}", "eng_Latn", negatives=[f"не день {n}"] * (n % 2)) for n in range(24)]
        values = {
            "head": {
                "kind": "embed",
                "max_tokens": 64,
                "query_prefix": "q:",
                "document_prefix": "d:",
                "pairs": [
                    {"path": str(write_lines(tmp_path / "large.jsonl", large)), "weight": 3, "alpha": 0.5},
                    {"path": str(write_lines(tmp_path / "small.jsonl", small)), "both_ways": True},
                ],
                **changes,
            },
            "data": {"rows": 8, "block": 16},
        }
        config = build(FinetuneConfig, values)
        store = PairStore.read(config.head.pairs, config.data)
        inputs = HeadInputs.of(Tokenizer.load(small_tokenizer), trainable_head(config.head.kind).of(config.head))
        return PairData(store, config.data, config.head, inputs, (0, 8))

    return make


def test_batches_are_of_one_source_by_weight_and_languages_by_temperature(data):
    stream = data()
    seen, sources = Counter(), Counter()
    for number in range(40):
        pairs = [stream.store.train[member] for member in stream.members(number)]
        (source,) = {stream.store.groups[pair.group].source for pair in pairs}
        sources[source] += 1
        seen.update((source, stream.store.groups[pair.group].language, pair.query) for pair in pairs)
    assert sources == {"large.jsonl": 30, "small.jsonl": 10}
    languages = Counter()
    for (_, language, _), count in seen.items():
        languages[language] += count
    # 140 and 20 pairs of one source: shares in proportion to their roots.
    assert languages["hau_Latn"] / 240 == pytest.approx(20**0.5 / (20**0.5 + 140**0.5), abs=0.02)
    small = [count for (source, *_), count in seen.items() if source == "small.jsonl"]
    assert len(small) == 24 and set(small) <= {3, 4}  # each once in every pass


def test_a_batch_is_a_function_of_its_number_and_a_state_goes_on(data):
    stream, other = data(negatives=2, miner="ngrams"), data(negatives=2, miner="ngrams")
    batches = [next(stream) for _ in range(6)]
    state = stream.state()
    after = next(stream)
    other.restore(state)
    again = next(other)
    for one, two in zip(after, again, strict=True):
        assert np.array_equal(one, two)
    for number in (3, 0, 5):
        assert all(np.array_equal(*both) for both in zip(batches[number], other.batch(number), strict=True))
    assert stream.report().batches == {"large.jsonl": 5, "small.jsonl": 2}
    with pytest.raises(SourceError, match="made with other pairs"):
        data().restore(state)


def test_processes_share_the_rows_of_a_batch(data):
    stream = data()
    whole = stream.batch(1)
    parts = []
    for own in ((0, 4), (4, 8)):
        stream._own = own
        parts.append(stream.batch(1))
    for one, *halves in zip(whole, *parts, strict=True):
        assert np.array_equal(one, np.concatenate(halves))


def test_ids_are_prefix_text_end_and_either_side_may_ask(data, small_tokenizer):
    stream = data(negatives=1)
    tokenizer = Tokenizer.load(small_tokenizer)
    asked = Counter()
    for number in range(40):
        batch = stream.batch(number)
        for query, documents, keys in zip(batch.query_RxL, batch.document_RxMxL, batch.document_keys_RxM, strict=True):
            text = tokenizer.decode([int(one) for one in query if one > 1])
            right, wrong = (tokenizer.decode([int(one) for one in ids if one > 1]) for ids in documents)
            assert text.startswith("q:") and right.startswith("d:")
            assert query[query > 0][-1] == 1 and (wrong == "") == (keys[1] == -1)
            asked["день" in text, "day" in text, wrong != ""] += 1
    assert asked[True, False, False] > 10 < asked[False, True, True]
    assert not asked[True, False, True]  # negatives are in the other language then


def test_a_reranker_reads_both_and_always_has_something_wrong(data, small_tokenizer):
    stream = data(kind="rerank", negatives=3, query_tokens=8, overlap=4)
    tokenizer = Tokenizer.load(small_tokenizer)
    batch = stream.batch(0)
    assert batch.document_RxMxL.shape[:2] == (8, 4) and batch.query_RxL.shape == (8, 0)
    assert (batch.document_keys_RxM >= 0).all()
    text = tokenizer.decode([int(one) for one in batch.document_RxMxL[0, 0] if one > 1])
    assert text.startswith("q: habari") and " d: wiki" in text


def test_what_is_drawn_as_wrong_is_of_the_same_source_and_language(write_lines, tmp_path, small_tokenizer):
    facts = [row(f"swali {n}", f"jibu {n}", ("swh_Latn", "hau_Latn")[n % 2]) for n in range(20)]
    texts = [row(f"neno {n}", f"sentensi ndefu {n}") for n in range(20)]
    lone = [row("peke", "yake")]
    sources = [
        {"path": str(write_lines(tmp_path / f"{n}.jsonl", lines))} for n, lines in enumerate((facts, texts, lone))
    ]
    head = {"kind": "rerank", "max_tokens": 64, "query_tokens": 8, "overlap": 4, "negatives": 5, "pairs": sources}
    config = build(FinetuneConfig, {"head": head, "data": {"rows": 4}})
    store = PairStore.read(config.head.pairs, config.data)
    inputs = HeadInputs.of(Tokenizer.load(small_tokenizer), trainable_head("rerank").of(config.head))
    stream = PairData(store, config.data, config.head, inputs, (0, 4))
    for pair in store.train:
        document = store.texts[pair.document]
        drawn = {store.texts[text] for text in stream.others(pair, 40, 7)}
        if document == "yake":  # the source has no other
            assert {text.split()[0] for text in drawn} >= {"jibu", "sentensi"}
        elif document.startswith("jibu"):
            assert {int(text.removeprefix("jibu ")) % 2 for text in drawn} == {int(document.removeprefix("jibu ")) % 2}
        else:
            assert {text.split()[0] for text in drawn} == {"sentensi"}


def test_negatives_look_like_the_right_document_and_are_not(write_lines, tmp_path):
    lines = [
        row("simba anakula nyama", "simba ni mnyama mkali anayekula nyama", document_id="lion"),
        row("mnyama gani anakula nyama", "simba ni mnyama mkali anayekula nyama!"),
        row("chui anakula nini", "chui ni mnyama anayekula nyama usiku"),
        row("bei ya sukari", "sukari inauzwa sokoni kwa bei nafuu"),
        row("狮子吃什么", "狮子是吃肉的动物", "zho_Hans"),
        row("豹吃什么", "豹是吃肉的动物, 夜里出来", "zho_Hans"),
    ]
    store = stored(write_lines, tmp_path, lines)
    found = mine(store, store.train, 2, miner("ngrams"))
    texts = [[store.texts[text] for text in one] for one in found]
    assert texts[0] == ["chui ni mnyama anayekula nyama usiku", "sukari inauzwa sokoni kwa bei nafuu"]  # no near-copy
    assert texts[4] == ["豹是吃肉的动物, 夜里出来"]  # of its language alone
    assert (
        in_common(trigrams("Habari"), trigrams("HABARI")) == 1 and in_common(trigrams("habari"), trigrams("你好")) == 0
    )
    ranked = NgramMiner().best(["动物 吃肉"], ["天气很好", "狮子是吃肉的动物", ""], 3)
    assert ranked[0][0] == 1


def test_an_embedding_model_mines_too(write_lines, tmp_path, head_folder):
    store = stored(write_lines, tmp_path, [row(f"habari {n}", f"wiki {n * 37}") for n in range(12)])
    found = mine(store, store.train, 3, miner(str(head_folder())))
    assert all(len(set(one)) == 3 and pair.document not in one for pair, one in zip(store.train, found, strict=True))
    with pytest.raises(SourceError, match="there is no checkpoint at nowhere"):
        miner("nowhere")
