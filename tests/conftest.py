"""What tests share: the real data where it is there, small sources, a quick ingest."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Models in tests compile far longer than they compute: compiled in a hurry, and kept for the next test that asks for it.
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
)
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(ROOT / ".pytest_cache" / "jax")
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """The path of a real data set; the test is skipped, with the reason, where it is not at hand."""
    base = Path(os.environ.get("GLOTMILL_SHARED", ROOT.parent / "shared"))

    def find(name: str) -> Path:
        path = base / name
        if not path.exists():
            pytest.skip(f"the data set {name} is not on this machine (GLOTMILL_SHARED says where such sets are)")
        return path

    return find


@pytest.fixture
def write_lines() -> Callable[[Path, Iterable[Any]], Path]:
    """Writes JSON lines; a string or bytes among the rows is written as it is."""

    def write(path: Path, rows: Iterable[Any]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            for row in rows:
                if isinstance(row, bytes):
                    file.write(row + b"\n")
                else:
                    text = row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)
                    file.write(text.encode("utf-8", "surrogatepass") + b"\n")
        return path

    return write


@pytest.fixture(scope="session")
def small_tokenizer(tmp_path_factory):
    """A SentencePiece model of 300 pieces in the folder's form, trained in a blink."""
    import sentencepiece

    from finetune.tokenizer_copy import copy_tokenizer

    folder = tmp_path_factory.mktemp("spm")
    words = "habari nzuri wiki siku moja mbili tatu привет мир неделя день 你好 世界 一天".split()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(words)] * 4),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=300,
        model_type="bpe",
        byte_fallback=True,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    copy_tokenizer(folder / "tokenizer.model", folder / "folder")
    return folder / "folder"
