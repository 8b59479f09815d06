"""Token shards of a few made-up rows, without a tokenizer."""

import hashlib

import pyarrow as pa
import pytest

from collection import tokens
from collection.manifest import KEPT, Input, Manifest, Tally
from collection.record import ROLES

# A checkpoint, a measurement and a line of the log every few steps.
_OFTEN = {
    "checkpoints": {"every_steps": 2, "every_minutes": 0},
    "evaluate": {"every_steps": 4},
    "log": {"every_steps": 1, "peak_tflops": 1.0},
}


def _change(values, changes):
    """Lays changes over a configuration: sections key by key, all else whole."""
    for key, value in changes.items():
        values[key] = {**values[key], **value} if isinstance(values.get(key), dict) else value


@pytest.fixture
def shards(tmp_path):
    """Writes a folder of token shards; a row is a dict with `turns`, (role, ids) each, and whatever else it has."""
    return writer(tmp_path)


def writer(home):
    """What writes folders of token shards into a folder."""

    def write(name, rows, *, vocabulary=1000, sha256="tokenizer", identity="", parts=2):
        folder, tally = home / name, Tally()
        schema = tokens.schema(vocabulary)
        lines = []
        for number, row in enumerate(rows):
            line = {
                "id": hashlib.md5(f"{name} {row.get('key', number)}".encode()).hexdigest(),
                "language": "swh_Latn",
                "source": "aya",
                "split": "",
                "dataset": "",
                "task": "",
                **row,
                "roles": [ROLES.index(role) if role in ROLES else len(ROLES) for role, _ in row["turns"]],
                "tokens": [list(ids) for _, ids in row["turns"]],
            }
            lines.append({key: line[key] for key in schema.names})
            tally.outcomes[line["source"], line["language"], KEPT] += 1
        (folder / "data").mkdir(parents=True, exist_ok=True)
        for part in range(parts):
            own = lines[part::parts]
            with tokens.shard_writer(folder / "data" / tokens.shard_name(part, parts), vocabulary) as writer:
                for start in range(0, len(own), 7):
                    writer.write_batch(pa.RecordBatch.from_pylist(own[start : start + 7], schema=schema))
        Manifest.of(
            tokens.COMMAND,
            tally,
            parts,
            config={"vocabulary": vocabulary, "sha256": sha256},
            inputs=[Input("in", 1, "h")],
            run={"identity": identity or f"{name:0<32}"},
            complete=True,
        ).write(folder)
        return folder

    return write


@pytest.fixture
def plain():
    """Rows of one prompt and one answer; ids 10 and up, so that each tells which row it is of."""

    def rows(count, first=10, **columns):
        return [
            {
                "turns": [
                    ("user", [first + number] * (1 + number % 5)),
                    ("assistant", [first + number] * (1 + number % 3)),
                ],
                "key": f"{first} {number}",
                **columns,
            }
            for number in range(count)
        ]

    return rows


@pytest.fixture(scope="session")
def tiny():
    """A model as small as they come, with what tests need to feed it."""
    import functools
    from types import SimpleNamespace

    import jax
    import jax.numpy as jnp
    import numpy as np

    from finetune.data.examples import Pair
    from finetune.model import parameters
    from finetune.model.architecture import Architecture, Execution
    from finetune.model.encoder_decoder import EncoderDecoder

    shape = Architecture(
        vocabulary=128, width=16, heads=2, head_width=8, feed_forward=32, encoder_layers=2, decoder_layers=2
    )

    def model(architecture=shape, **run):
        return EncoderDecoder(architecture, Execution(**run))

    @functools.cache
    def params(architecture=shape, seed=0):
        """Of the sizes that the model would draw, without compiling it for that; unstacked."""
        chance = np.random.default_rng(seed)

        def draw(name, size):
            if name.endswith("/scale"):
                return np.ones(size, np.float32)
            deviation = size[0] ** -0.5 if name.endswith("/kernel") else 1.0
            return chance.normal(0, deviation, size).astype(np.float32)

        sizes = parameters.shapes(architecture)
        return parameters.nested({name: jnp.asarray(draw(name, size)) for name, size in sizes.items()})

    @functools.cache
    def compiled(module, keywords):
        return jax.jit(functools.partial(module.apply, **dict(keywords)))

    def pairs(*lengths, seed=0):
        chance = np.random.default_rng(seed)
        return [Pair(*(chance.integers(3, 128, size).astype(np.int32) for size in both)) for both in lengths]

    def logits(module, params, *arrays, **keywords):
        return np.asarray(compiled(module, tuple(keywords.items()))({"params": params}, *arrays))

    return SimpleNamespace(shape=shape, model=model, params=params, pairs=pairs, logits=logits)


@pytest.fixture(scope="session")
def configured(small_tokenizer, tmp_path_factory):
    """A configuration that trains a tiny model in a blink, on two languages; sections may be changed."""
    from core.config import build
    from finetune.checkpoints.tokenizer_copy import identify
    from finetune.config import FinetuneConfig

    identity = identify(small_tokenizer)
    rows = [
        {
            "turns": [("user", [40 + n % 7, 50 + n % 5]), ("assistant", [60 + n % 5, 40 + n % 7])],
            "language": ("swh_Latn", "kir_Cyrl")[n % 2],
            "split": "validation" if n % 9 == 8 else "train",
        }
        for n in range(200)
    ]
    tokens = writer(tmp_path_factory.mktemp("configured"))(
        "tokens", rows, vocabulary=identity.pieces, sha256=identity.sha256
    )

    def make(**changes):
        values = {
            "steps": 6,
            "model": {
                "tokenizer": str(small_tokenizer),
                "size": "tiny",
                "shape": {
                    "width": 16,
                    "heads": 2,
                    "head_width": 8,
                    "feed_forward": 32,
                    "encoder_layers": 1,
                    "decoder_layers": 1,
                },
            },
            "data": {
                "inputs": 16,
                "targets": 8,
                "rows": 8,
                "block": 64,
                "sources": [{"path": str(tokens)}],
                "validation": {"examples": 4},
            },
            "optimizer": {"schedule": {"base": 0.01}},
            **_OFTEN,
        }
        _change(values, changes)
        if values["model"].get("init"):  # it has its own
            del values["model"]["size"], values["model"]["shape"]
        return build(FinetuneConfig, values)

    return make


@pytest.fixture(scope="session")
def head_folder(tiny, small_tokenizer, tmp_path_factory):
    """A model folder with a head and random weights, by the head's description; made once of each."""
    import dataclasses

    import numpy as np

    from finetune.checkpoints import model_folder
    from finetune.model import parameters
    from finetune.model.head import head_class

    made = {}

    def make(kind="embed", **values):
        if kind == "embed":
            values = {"dimensions": (16, 32), "limits": {16: 0.8, 32: 0.6}, **values}
        key = (kind, repr(sorted(values.items())))
        if key not in made:
            head = head_class(kind)(**{"max_tokens": 64, "query_tokens": 16, "overlap": 8, **values})
            architecture = dataclasses.replace(tiny.shape, vocabulary=384)
            chance = np.random.default_rng(0)
            leaves = {
                name: np.ones(shape) if name.endswith("scale") else chance.normal(size=shape) * shape[0] ** -0.5
                for name, shape in parameters.shapes(architecture, head.projection).items()
            }
            made[key] = tmp_path_factory.mktemp("head") / "model"
            tree = parameters.nested(leaves)
            model_folder.save(made[key], architecture, tree, tokenizer=small_tokenizer, head=head)
        return made[key]

    return make


@pytest.fixture
def with_head(small_tokenizer, write_lines, tmp_path):
    """A configuration that trains a tiny encoder with a head on made-up translations; sections may be changed.

    A number written in Latin letters has its document in Cyrillic ones, another for each digit.
    """
    from core.config import build
    from finetune.config import FinetuneConfig

    latin = "moja mbili tatu nne tano sita saba nane tisa kumi".split()
    cyrillic = "бир эки үч төрт беш алты жети сегиз тогуз он".split()
    rows = []
    for number in range(1000):
        digits = [int(digit) for digit in f"{number:03}"]
        query, document = (" ".join(words[digit] for digit in digits) for words in (latin, cyrillic))
        row = {"query": query, "document": document, "language": "swh_Latn", "document_language": "kir_Cyrl"}
        rows.append({**row, "split": "validation" if number % 20 == 7 else "train"})
    write_lines(tmp_path / "pairs.jsonl", [*rows, {"query": "", "document": "x", "language": "swh_Latn"}])

    def make(**changes):
        values = {
            "steps": 6,
            "model": {
                "tokenizer": str(small_tokenizer),
                "size": "tiny",
                "shape": {
                    "width": 32,
                    "heads": 2,
                    "head_width": 16,
                    "feed_forward": 64,
                    "encoder_layers": 1,
                    "decoder_layers": 1,
                },
            },
            "head": {
                "kind": "embed",
                "dimensions": [16, 32],
                "max_tokens": 48,
                "query_prefix": "q:",
                "document_prefix": "d:",
                "pairs": [{"path": str(tmp_path / "pairs.jsonl")}],
            },
            "data": {"rows": 16, "block": 64, "validation": {"rows": 64, "examples": 50}},
            "optimizer": {"schedule": {"base": 0.03}},
            **_OFTEN,
        }
        _change(values, changes)
        if values["model"].get("init"):  # it has its own
            del values["model"]["size"], values["model"]["shape"], values["model"]["tokenizer"]
        if values["head"]["kind"] == "rerank":
            del values["head"]["dimensions"]
        elif not values["head"]["kind"]:
            values["head"] = changes["head"]
        return build(FinetuneConfig, values)

    return make


@pytest.fixture(scope="session")
def signal_at():
    """Makes a progress that sends this process a signal when it tells of a step."""
    import os
    import signal

    from core.progress import Progress

    class SignalAt(Progress):
        def __init__(self, step):
            super().__init__(None)
            self._step = step

        def status(self, share, text):
            if text.startswith(f"step {self._step} "):
                os.kill(os.getpid(), signal.SIGTERM)

    return SignalAt
