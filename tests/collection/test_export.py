"""Other shapes of records, in files that other tools read."""

import gzip
import json
from typing import Any

import pyarrow as pa
import pytest
import typer

from collection.export import EXPORTERS, SUFFIXES, shapes_help, write_rows
from collection.record import Message, Record
from core.errors import ConfigError
from glotmill.cli.main import app

ROW = {name: exporter.row for name, exporter in EXPORTERS.items() if name != "preference"}
PAIR = Record.of(
    messages=(Message("user", "ราคาเท่าไหร่"), Message("assistant", 'هو "١٠"\nدنانير 👩‍👧')),
    language="arb_Arab",
    source="aya",
    dataset="d",
    template="t",
    task="qa",
    split="train",
)
CHAT = Record(
    id="c" * 32,
    language="swh_Latn",
    messages=(
        Message("system", "Jibu kwa ufupi."),
        Message("user", "Habari?"),
        Message("assistant", "Nzuri."),
        Message("tool", '{"x": 1}'),
        Message("user", "Na wewe?\u2028"),
        Message("assistant", "Salama."),
    ),
    source="sharegpt",
    parent_id="f" * 32,
    lid_score=0.75,
)
PROMPT = 'System: Jibu kwa ufupi.\n\nUser: Habari?\n\nAssistant: Nzuri.\n\nTool: {"x": 1}\n\nUser: Na wewe?\u2028'


@pytest.mark.parametrize(
    ("shape", "pair", "chat"),
    [
        (
            "aya",
            {
                "id": PAIR.id,
                "inputs": "ราคาเท่าไหร่",
                "targets": 'هو "١٠"\nدنانير 👩‍👧',
                "language": "arb_Arab",
                "dataset_name": "d",
                "template_id": "t",
                "task_type": "qa",
                "split": "train",
            },
            {"inputs": PROMPT, "targets": "Salama."},
        ),
        (
            "prompt-completion",
            {
                "id": PAIR.id,
                "prompt": "ราคาเท่าไหร่",
                "completion": 'هو "١٠"\nدنانير 👩‍👧',
                "language": "arb_Arab",
            },
            {"prompt": PROMPT, "completion": "Salama."},
        ),
        (
            "sharegpt",
            {
                "id": PAIR.id,
                "lang": "arb_Arab",
                "conversations": [
                    {"from": "human", "value": "ราคาเท่าไหร่"},
                    {"from": "gpt", "value": 'هو "١٠"\nدنانير 👩‍👧'},
                ],
            },
            {
                "conversations": [
                    {"from": "system", "value": "Jibu kwa ufupi."},
                    {"from": "human", "value": "Habari?"},
                    {"from": "gpt", "value": "Nzuri."},
                    {"from": "observation", "value": '{"x": 1}'},
                    {"from": "human", "value": "Na wewe?\u2028"},
                    {"from": "gpt", "value": "Salama."},
                ]
            },
        ),
        (
            "messages",
            {
                "id": PAIR.id,
                "language": "arb_Arab",
                "messages": [
                    {"role": "user", "content": "ราคาเท่าไหร่"},
                    {"role": "assistant", "content": 'هو "١٠"\nدنانير 👩‍👧'},
                ],
                "source": "aya",
                "dataset": "d",
                "template": "t",
                "task": "qa",
                "split": "train",
                "origin": "human",
                "license": "unknown",
                "parent_id": None,
                "generator": None,
                "lid_language": None,
                "lid_score": None,
            },
            {"parent_id": "f" * 32, "lid_score": 0.75, "source": "sharegpt"},
        ),
    ],
)
def test_a_record_in_another_shape(shape, pair, chat):
    assert ROW[shape](PAIR) == pair
    assert ROW[shape](CHAT).items() >= chat.items()


def test_every_column_is_in_the_shape_that_keeps_everything():
    row = ROW["messages"](CHAT)
    messages = tuple(Message(**turn) for turn in row.pop("messages"))
    assert Record(messages=messages, **row) == CHAT


def read(path):
    if path.suffix == ".json":
        return json.loads(path.read_text("utf-8"))
    if path.suffix == ".zst":
        with pa.input_stream(path, compression="zstd") as file:
            content = file.read()
    else:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    lines = content.decode("utf-8").split("\n")
    assert lines.pop() == ""  # the last line is closed, too
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("records", [[], [PAIR], [PAIR, CHAT, PAIR]])
def test_a_file_of_any_kind_holds_the_rows_in_their_order(tmp_path, suffix, records):
    path = tmp_path / f"folder/rows{suffix}"
    assert write_rows(map(ROW["messages"], iter(records)), path) == len(records)
    assert read(path) == [ROW["messages"](record) for record in records]
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_text_is_written_as_it_is_not_escaped(tmp_path):
    write_rows(map(ROW["aya"], [PAIR]), tmp_path / "rows.jsonl")
    assert "ราคาเท่าไหร่" in (tmp_path / "rows.jsonl").read_text("utf-8")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_equal_records_give_equal_bytes_whatever_the_file_is_called(tmp_path, suffix):
    one, two = tmp_path / f"one{suffix}", tmp_path / f"two{suffix}"
    write_rows(map(ROW["sharegpt"], [PAIR, CHAT]), one)
    write_rows(map(ROW["sharegpt"], [PAIR, CHAT]), two)
    assert one.read_bytes() == two.read_bytes()
    if suffix == ".jsonl.gz":
        assert one.read_bytes()[3:8] == bytes(5)  # neither a name nor a time in the header


@pytest.mark.parametrize("name", ["rows.csv", "rows", "rows.jsonl.bz2", "rows.gz", "jsonl"])
def test_a_suffix_that_is_none_of_ours_is_refused_before_anything_is_read(tmp_path, name):
    def records():
        pytest.fail("read")
        yield PAIR

    with pytest.raises(ConfigError, match=r"expected a file called \*\.jsonl, \*\.jsonl\.gz"):
        write_rows(map(ROW["aya"], records()), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_error_on_the_way_leaves_no_file(tmp_path, suffix):
    def records():
        yield PAIR
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_rows(map(ROW["aya"], records()), tmp_path / f"rows{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_the_help_of_the_command_names_every_shape():
    command: Any = typer.main.get_command(app)
    option = next(
        parameter for parameter in command.commands["collection"].commands["export"].params if parameter.name == "shape"
    )
    assert option.help == shapes_help()
