"""The stream of batches: the same for any number of hosts, after any restart, with every example where it belongs."""

import dataclasses
import json
from collections import Counter

import numpy as np
import pytest

from collection.languages import resolve
from collection.manifest import KEPT, Input, Manifest, Tally
from collection.record import Message, Record
from collection.store import PartWriter
from core.config import build
from core.errors import ConfigError, SourceError, UnknownNameError
from finetune.data.config import DataConfig, SourceConfig, SpansConfig, ValidationConfig
from finetune.data.sources import DataSources
from finetune.data.special_ids import SpecialIds
from finetune.data.stream import TrainingData
from glotmill.sample.facts import parallel
from tokenizer.encode import EncodeConfig, encode
from tokenizer.train import TokenizerConfig, train
from tokenizer.vocabulary import Tokenizer

VOCABULARY = SpecialIds(1000, sentinels=tuple(range(999, 899, -1)), sha256="tokenizer")


@pytest.fixture
def open_data(shards, plain):
    """Training data of two sources, 60 rows and 9; whatever is given goes into the configuration."""
    big = shards("big", [*plain(40, language="eng_Latn"), *plain(20, first=100, language="tha_Thai")])
    small = shards("small", plain(9, first=200))

    def run(process=0, processes=1, **values):
        sources = (SourceConfig(path=str(big), weight=3), SourceConfig(path=str(small)))
        base = {"sources": sources, "inputs": 12, "targets": 8, "rows": 4, "block": 50, "prefetch": 0}
        return TrainingData(DataSources.open(DataConfig(**{**base, **values}), VOCABULARY), process, processes)

    return run


def take(data, count):
    batches = [next(data) for _ in range(count)]
    data.close()
    return batches


def assert_same(first, second):
    for one, other in zip(first, second, strict=True):
        for name, array in one._asdict().items():
            np.testing.assert_array_equal(array, getattr(other, name), name)


def pairs_in(batch):
    """(inputs, targets) of every segment of a batch."""
    for row in range(batch.rows):
        for segment in range(1, batch.encoder_segment_ids[row].max() + 1):
            yield (
                tuple(batch.encoder_input_tokens[row][batch.encoder_segment_ids[row] == segment].tolist()),
                tuple(batch.decoder_target_tokens[row][batch.decoder_segment_ids[row] == segment].tolist()),
            )


@pytest.mark.parametrize("processes", [2, 4])
def test_the_hosts_together_read_what_one_host_reads(open_data, processes):
    alone = take(open_data(), 12)
    parts = [take(open_data(process, processes), 12) for process in range(processes)]
    for number, whole in enumerate(alone):
        joined = [np.concatenate(arrays) for arrays in zip(*(part[number] for part in parts), strict=True)]
        assert_same([whole], [type(whole)(*joined)])
    states = [open_data(process, processes).state() for process in range(processes)]
    assert all(state == states[0] for state in states)


@pytest.mark.parametrize("prefetch", [0, 3])
def test_a_stream_goes_on_where_it_was_at_whatever_batch(open_data, prefetch):
    data = open_data(prefetch=prefetch, spans=SpansConfig(share=0.2))
    batches, states = [], [data.state()]
    for _ in range(14):
        batches.append(next(data))
        states.append(json.loads(json.dumps(data.state())))
    data.close()
    assert states[-1]["block"] >= 2
    for number in range(14):
        again = open_data(prefetch=prefetch, spans=SpansConfig(share=0.2))
        next(again)  # what was read ahead is forgotten
        again.restore(states[number])
        assert again.state() == states[number]
        assert_same(take(again, 1), batches[number : number + 1])
        assert again.state() == states[number + 1]


def test_a_host_of_another_number_goes_on_there_too(open_data):
    data = open_data()
    take(data, 5)
    state, rest = data.state(), take(open_data(), 6)[5:]
    again = open_data(1, 2)
    again.restore(state)
    half = next(again)
    assert_same([half], [type(half)(*(array[2:] for array in rest[0]))])


def test_nothing_is_lost_in_packing(open_data):
    data = open_data(rows=1)
    plans = [data.planner.plan(number) for number in range(3)]
    packed = Counter(pair for batch in take(data, sum(plan.rows for plan in plans)) for pair in pairs_in(batch))
    unpacked = open_data(rows=1, pack=False)
    count = sum(len(plan.examples) for plan in plans)
    alone = Counter(pair for batch in take(unpacked, count) for pair in pairs_in(batch))
    assert packed == alone and packed.total() == count
    assert sum(plan.rows for plan in plans) < count / 1.5


def test_sources_have_their_shares_and_every_example_comes_once_in_a_pass(open_data):
    data = open_data()
    plans = [data.planner.plan(number) for number in range(40)]
    batches = take(data, sum(plan.rows for plan in plans) // 4)
    first = Counter(targets[0] for batch in batches for _, targets in pairs_in(batch))
    total = first.total()
    small = sum(count for number, count in first.items() if number >= 200)
    assert abs(small / total - 0.25) < 0.01
    counts = [count for number, count in first.items() if number < 200]
    assert len(counts) == 60 and max(counts) - min(counts) <= 2
    found = {(one.source, one.dataset): one for one in data.report().passes}
    assert found["small", ""].passes == pytest.approx(small / 9, abs=0.2)
    assert found["big", "aya"].drawn == pytest.approx(total - small, abs=2)


def test_the_report_tells_what_was_cut_and_how_full_rows_are(open_data):
    data = open_data(inputs=4, targets=3, rows=8)
    batches = take(data, 6)
    report = data.report()
    pairs = [pair for batch in batches for pair in pairs_in(batch)]
    assert (report.rows, report.examples) == (48, len(pairs))
    by_language = Counter(
        ("swh_Latn", "tha_Thai", "eng_Latn")[(targets[0] < 200) + (targets[0] < 100)]
        for _, targets in pairs
        if targets[-1] != 1
    )
    assert report.targets_cut == by_language and set(report.inputs_cut) == {"swh_Latn", "tha_Thai", "eng_Latn"}
    taken = sum(batch.encoder_segment_ids.astype(bool).sum() for batch in batches)
    assert report.input_fill == pytest.approx(taken / (48 * 4))
    assert max(report.input_fill, report.target_fill) <= report.fill <= 1
    expected = data.expected(6)
    assert expected.rows == 48 and expected.examples == pytest.approx(report.examples, rel=0.2)
    assert [one.passes for one in expected.passes] == pytest.approx([one.passes for one in report.passes], rel=0.2)


def test_every_assistant_turn_is_an_example_or_the_last_one_only(shards):
    chat = [("user", [10]), ("assistant", [11]), ("user", [12]), ("assistant", [13])]
    strange = [("assistant", [20]), ("user", [21]), ("assistant", []), ("user", [22]), ("assistant", [23])]
    open_end = [("user", [40]), ("assistant", [41]), ("user", [42])]
    unread = {"turns": [("assistant", [50])], "split": "test"}  # of what is not read nothing is told
    rows = [{"turns": chat}, {"turns": strange}, {"turns": [("user", []), ("assistant", [30])]}, {"turns": open_end}]
    folder = shards("chat", [*rows, unread])
    targets = {}
    for all_turns in (True, False):
        config = DataConfig(
            sources=(SourceConfig(path=str(folder)),), inputs=20, targets=9, rows=1, block=8, all_turns=all_turns
        )
        data = TrainingData(DataSources.open(config, VOCABULARY))
        targets[all_turns] = {targets[0] for batch in take(data, 3) for _, targets in pairs_in(batch)}
        assert [note for note in data.notes(10) if "left out" in note] == [
            *(["chat: 1 empty answers were left out"] if all_turns else []),
            f"chat: {2 if all_turns else 1} answers to nothing were left out",
            *([] if all_turns else ["chat: 1 conversations that do not end with an answer were left out"]),
        ]
    assert targets == {True: {11, 13, 23, 41}, False: {13, 23}}


def test_languages_that_are_not_trained_on_are_named(shards, plain):
    rows = [
        *plain(4, language="swh_Latn"),
        *plain(2, language="khm_Khmr", split="test"),
        *plain(2, language="tha_Thai", split="validation"),
        *plain(1, language="tha_Thai", split="test"),
        {"turns": [("user", [9]), ("assistant", [])], "language": "arb_Arab"},
        *plain(3, first=50, language="lao_Laoo", dataset="mute"),
        *plain(1, language="kir_Cyrl", source="other"),
    ]
    source = SourceConfig(path=str(shards("tokens", rows)), of=("aya",), datasets={"mute": 0})
    config = DataConfig(sources=(source,), inputs=9, targets=9, rows=2)
    assert [note for note in DataSources.open(config, VOCABULARY).notes() if "not trained" in note] == [
        "not trained on: arb_Arab: none of their rows makes a training example",
        "not trained on: khm_Khmr: all their rows are of split test",
        "not trained on: lao_Laoo: their data sets have a share of 0",
        "not trained on: tha_Thai: all their rows are of split test or validation",
    ]
    few = DataSources.open(dataclasses.replace(config, languages=("swh_Latn",)), VOCABULARY)
    assert few.untrained == {}  # what was not asked for is not missed


def test_span_corruption_alone_reads_every_message_of_a_long_text_in_pieces(shards):
    folder = shards("text", [{"turns": [("user", [7]), ("assistant", list(range(10, 110)))]}])
    config = DataConfig(
        sources=(SourceConfig(path=str(folder)),), inputs=40, targets=40, rows=1, block=9, spans=SpansConfig(share=1.0)
    )
    data = TrainingData(DataSources.open(config, VOCABULARY))
    seen = {number for batch in take(data, 20) for array in batch[:2] for number in array.ravel().tolist()}
    assert set(range(10, 110)) <= seen and 7 not in seen and 999 in seen


def test_held_out_rows_are_not_trained_on(open_data):
    part = open_data(validation=ValidationConfig(hold_out=0.3))
    sizes = part.sources.mixture.sizes.sum()
    held = sum(group.size for _, group in part.sources.groups("validation"))
    assert sizes + held == 69 and 5 < held < 40
    trained = {targets[0] for batch in take(part, 200) for _, targets in pairs_in(batch)}
    assert len(trained) == sizes


def test_only_some_rows_of_a_folder_make_a_source(shards, plain):
    folder = str(shards("all", [*plain(5, source="xp3x"), *plain(5, first=100, source="aya"), *plain(5, split="test")]))
    config = DataConfig(sources=(SourceConfig(name="a", path=folder, of=("aya",)),), inputs=9, targets=9, rows=2)
    data = TrainingData(DataSources.open(config, VOCABULARY))
    assert {targets[0] // 100 for batch in take(data, 9) for _, targets in pairs_in(batch)} == {1}
    wrong = dataclasses.replace(config, sources=(SourceConfig(path=folder, of=("xp3",)),))
    with pytest.raises(
        UnknownNameError, match=r"unknown source 'xp3'; the nearest are xp3x; see `of` of data\.sources 'all'"
    ):
        DataSources.open(wrong, VOCABULARY)


def test_going_on_with_other_data_is_an_error_unless_told(open_data):
    state = open_data().state()
    for values in ({"seed": 1}, {"inputs": 13}, {"languages": ("eng_Latn", "swh_Latn")}, {"spans": SpansConfig(0.5)}):
        with pytest.raises(SourceError, match="made with other training data"):
            open_data(**values).restore(state)
    sources = open_data().sources.config.sources
    with pytest.raises(SourceError, match="made with other training data"):
        open_data(sources=(dataclasses.replace(sources[0], weight=4), sources[1])).restore(state)
    changed = open_data(seed=1)
    changed.restore(state, changed=True)
    next(changed)
    open_data(rows=8, prefetch=1, validation=ValidationConfig(examples=3)).restore(state)  # these change no order


def test_what_cannot_be_is_told(open_data):
    with pytest.raises(ConfigError, match=r"data\.rows is 4: expected a multiple of the 3 processes"):
        open_data(0, 3)
    with pytest.raises(ConfigError, match=r"no training rows in 'swa_Latn'; the nearest that there is: swh_Latn"):
        open_data(languages=("swa_Latn",))
    with pytest.raises(ConfigError, match=r"data\.sources is empty"):
        open_data(sources=())


def test_lengths_that_do_not_suit_the_data_are_told(open_data):
    notes = open_data(inputs=12, targets=500, pack=False).notes(1000)
    assert any(
        note.startswith("data.targets = 500 is far longer than the data needs: rows are 1% full") for note in notes
    )
    assert any(note.startswith("small is seen ") and "times (9 examples)" in note for note in notes)
    notes = open_data(inputs=3).notes(1)
    assert any("have more inputs than data.inputs = 3 and are cut; most in" in note for note in notes)


@pytest.fixture(scope="module")
def encoded(tmp_path_factory):
    """A tokenizer, and a collection that it encoded: greetings in four scripts, and a conversation."""
    base = tmp_path_factory.mktemp("encoded")
    greetings = {
        "swh_Latn": "Habari ya asubuhi {}",
        "arb_Arab": "صباح الخير {}",
        "tha_Thai": "สวัสดีตอนเช้า{}",
        "khm_Khmr": "អរុណសួស្តី {}",
    }
    records = []
    for number in range(120):
        code = sorted(greetings)[number % 4]
        messages = [Message("user", greetings[code].format(number)), Message("assistant", f"{number} 👍🏽")]
        if number < 8:
            messages += [Message("user", "?"), Message("assistant", "ndiyo")]
        records.append(Record.of(messages=messages, language=code, source="aya", source_id=str(number)))
    tally = Tally()
    with PartWriter(base / "records", 0, 1) as part:
        part.write(records)
    for record in records:
        tally.outcomes["aya", record.language, KEPT] += 1
    Manifest.of("ingest", tally, 1, inputs=[Input("in", 1, "h")], complete=True).write(base / "records")
    config = {
        "text": str(base / "text"),
        "vocabulary": {"size": 1024, "symbols": ["<|user|>", "<|assistant|>"]},
        "sample": {"rule": "temperature"},
    }
    (base / "text").mkdir()
    for code in greetings:
        names = parallel(resolve(code)).values()
        (base / "text" / f"{code}.txt").write_text("".join(name + "\n" for name in names), "utf-8")
    train(build(TokenizerConfig, config), base / "tokenizer")
    encode(base / "tokenizer", base / "records", base / "tokens", EncodeConfig())
    return base, records


def test_an_encoded_collection_comes_back_as_its_texts(encoded):
    base, records = encoded
    config = DataConfig(
        sources=(SourceConfig(path=str(base / "tokens")),), inputs=48, targets=24, rows=2, block=64, prefetch=2
    )
    data = TrainingData.open(config, base / "tokenizer")
    tokenizer = Tokenizer.load(base / "tokenizer")
    vocabulary = data.sources.special_ids
    assert vocabulary.size == tokenizer.size and len(vocabulary.sentinels) == 100
    assert vocabulary.sentinels[0] == vocabulary.size - 1
    seen = set()
    for batch in take(data, 60):
        seen |= {(tokenizer.decode(inputs[:-1]), tokenizer.decode(targets[:-1])) for inputs, targets in pairs_in(batch)}
    for record in records:
        first, answer = (message.content for message in record.messages[:2])
        assert (first, answer) in seen
        if len(record.messages) == 4:
            assert (f"<|user|>{first}<|assistant|>{answer}<|user|>?", "ndiyo") in {
                (inputs.replace(" <|", "<|").replace("|> ", "|>"), targets) for inputs, targets in seen
            }


def test_an_id_that_the_tokenizer_does_not_have_is_refused(shards):
    folder = shards("tokens", [{"turns": [("user", [7, 1000]), ("assistant", [8])]}])
    config = DataConfig(sources=(SourceConfig(path=str(folder)),), inputs=9, targets=9, rows=1, prefetch=0)
    with pytest.raises(SourceError, match="has id 1000; expected ids below 1000, the size of the tokenizer"):
        next(TrainingData(DataSources.open(config, VOCABULARY)))
