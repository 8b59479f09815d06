"""Training: a sample is drawn, SentencePiece makes a large vocabulary of it, which is pruned to the one wanted.

OUT/tokenizer.model          the SentencePiece model
OUT/tokenizer.json           the same for Hugging Face tokenizers
OUT/glotmill_tokenizer.json  special ids, normaliser, hashes, sample, coverage, parity; written last
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from core import config as configuration
from core import files, version
from core.errors import ConfigError, GlotmillError, SourceError
from core.progress import Progress
from core.run_folder import WORK, RunFolder, identity_hash, read_json
from tokenizer import (
    coverage,
    export,
    model_file,
    normalizer,
    parallel,
    parity,
    sample_warnings,
    sentencepiece_trainer,
    unigram,
)
from tokenizer import sample as sampling
from tokenizer.coverage import Coverage, unseen
from tokenizer.parity import Measure, ParityConfig
from tokenizer.sample import Sample, SampleConfig
from tokenizer.texts import TextFile, sources
from tokenizer.vocabulary import ABOUT, EOS, HUGGING_FACE, MODEL, MULTIPLE, PAD, UNK, VocabularyConfig, lay_out

CODE: Final = ("core", "collection", "tokenizer")
# Shares of the time: reading, SentencePiece, the rest.
_READ, _TRAIN, _PRUNE = 5, 45, 50
_CHECKED: Final = 5
# Pieces that are asked of SentencePiece: it cannot count beyond 2**31, and no text has as many as this.
_MOST: Final = 10_000_000


@dataclass(frozen=True)
class TokenizerConfig:
    """The configuration of `glotmill tokenizer train`."""

    collections: tuple[str, ...] = ()  # folders that ingest, build or another stage wrote
    text: str = ""  # a folder of plain text, a file a language
    vocabulary: VocabularyConfig = field(default_factory=VocabularyConfig)
    sample: SampleConfig = field(default_factory=SampleConfig)
    parity: ParityConfig = field(default_factory=ParityConfig)


def train(
    config: TokenizerConfig, out: Path, *, fresh: bool = False, progress: Progress | None = None
) -> dict[str, Any]:
    """Trains a tokenizer into `out`; what stands in its `glotmill_tokenizer.json`."""
    progress = progress or Progress.silent()
    _check(config)
    found = sources([Path(folder) for folder in config.collections], Path(config.text) if config.text else None)
    inputs = sorted((asdict(source.inputs()) for source in found), key=lambda item: (item["hash"], item["path"]))
    sentences = parallel.read(Path(config.parity.parallel)) if config.parity.parallel else None
    measure = parity.from_parallel(sentences) if sentences else None
    identity: dict[str, Any] = {
        "code": version.code_hash(*CODE),
        "versions": _versions(),
        "config": configuration.as_dict(config),
        "inputs": inputs,
        "parallel": identity_hash(dict(sentences)) if sentences else "",
    }
    begun = time.monotonic()
    folder = RunFolder(out, "tokenizer", (MODEL, HUGGING_FACE, ABOUT), (ABOUT,))
    with folder.held():
        if (made := _made(folder, identity, fresh, progress)) is not None:
            return made
        for warning in sample_warnings.on_files(config.text):
            progress.note(f"warning: {warning}")
        work = out / WORK
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            values = _train(config, found, measure, out, work, progress)
            values |= {**identity, "run": {**version.describe(), "identity": identity_hash(identity)}}
            values["run"]["seconds"] = round(time.monotonic() - begun, 1)
            files.write_text(out / ABOUT, json.dumps(values, ensure_ascii=False, indent=2) + "\n")
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return read_about(out)


def _check(config: TokenizerConfig) -> None:
    vocabulary = config.vocabulary
    if vocabulary.size < 1:
        raise ConfigError("how large is the vocabulary to be? expected --vocab-size N, such as 64000")
    if vocabulary.type == "bpe" and config.sample.rule == "parity":
        raise ConfigError(
            "sample.rule=parity weighs the pieces of a unigram model: with vocabulary.type=bpe choose another rule, "
            "such as --set sample.rule=temperature"
        )
    if config.parity.parallel and config.sample.rule != "parity":
        raise ConfigError(
            f"parallel text is for sample.rule=parity alone, and the rule is {config.sample.rule}: leave out --parallel"
        )
    if config.parity != ParityConfig() and config.sample.rule != "parity":
        raise ConfigError(
            f"[parity] is for sample.rule=parity alone, and the rule is {config.sample.rule}: leave it out"
        )


def _versions() -> dict[str, str]:
    import unicodedata

    import numpy

    return {
        "sentencepiece": str(model_file.sentencepiece().__version__),
        "numpy": numpy.__version__,
        "unicode": unicodedata.unidata_version,
    }


def _made(folder: RunFolder, identity: Mapping[str, Any], fresh: bool, progress: Progress) -> dict[str, Any] | None:
    """Return what the folder's tokenizer says of itself if it is just this one; None for an empty folder.

    Raises:
        OutputError: the folder holds another tokenizer, or files that are not glotmill's.
    """
    files.remove_leftovers(folder.path)
    folder.check_owner()
    if fresh:
        folder.check_inputs(item["path"] for item in identity["inputs"])
        folder.clear()
    folder.check_whole()
    values = read_json(folder.path / ABOUT)
    if values is None:
        return None
    folder.check_same({name: values.get(name) for name in identity}, identity)
    progress.note(f"{folder.path} already holds this very tokenizer")
    return values


class _Steps:
    """How far training is, in hundredths, for the progress line."""

    def __init__(self) -> None:
        self.lines = 0
        self.done = 0.0

    def beats(self) -> list[tuple[int, int]]:
        return [(int(self.lines * self.done / 100), int(self.done * 100))]


def _train(
    config: TokenizerConfig,
    found: Sequence[TextFile],
    measure: Measure | None,
    out: Path,
    work: Path,
    progress: Progress,
) -> dict[str, Any]:
    steps = _Steps()
    with progress.watch(steps.beats, 100 * (_READ + _TRAIN + _PRUNE)):
        size = 2 * sum(source.path.stat().st_size for source in found)

        def heard(_: int, read: int) -> None:
            steps.done += _READ * read / max(size, 1)

        sample = sampling.draw(found, config.sample, heard)
        steps.lines, steps.done = sum(map(len, sample.lines.values())), float(_READ)
        kept = coverage.choose(sample.lines, config.vocabulary.characters)
        if config.vocabulary.type == "bpe":
            model, told = _bpe(config, sample, kept, work, steps), dict[str, Any]()
        else:
            model, told = _unigram(config, sample, kept, measure, work, steps)
    model = lay_out(model, config.vocabulary)
    if len(model.pieces) != config.vocabulary.rounded:
        raise GlotmillError(f"the vocabulary has {len(model.pieces)} pieces, not {config.vocabulary.rounded}")
    content, exported = model.SerializeToString(deterministic=True), export.to_json(model, config.vocabulary)
    _compare(model, exported, sample)
    for name, data in ((MODEL, content), (HUGGING_FACE, exported.encode())):
        with files.appearing(out / name) as temporary:
            temporary.write_bytes(data)
    return {
        "command": "tokenizer train",
        "glotmill": version.VERSION,
        "vocabulary": len(model.pieces),
        "special": {"pad": PAD, "eos": EOS, "unk": UNK},
        "symbols": {symbol: index for index, symbol in enumerate(config.vocabulary.symbols, UNK + 1)},
        "sentinels": config.vocabulary.sentinels,
        "normalizer": {"name": normalizer.NAME, "collapse_spaces": config.vocabulary.collapse_spaces},
        "sha256": {
            MODEL: hashlib.sha256(content).hexdigest(),
            HUGGING_FACE: hashlib.sha256(exported.encode()).hexdigest(),
        },
        "sample": sample.manifest(),
        "coverage": kept.manifest(),
        "parity": told,
        "warnings": [*sample_warnings.on_files(config.text), *sample_warnings.on_sample(sample, kept)],
    }


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _unigram(
    config: TokenizerConfig, sample: Sample, kept: Coverage, measure: Measure | None, work: Path, steps: _Steps
) -> tuple[Any, dict[str, Any]]:
    """A model of the wanted number of pieces, and what was found about parity on the way."""
    wanted = config.vocabulary.rounded - config.vocabulary.fixed
    large = _large(config, sample, kept, work, steps)
    model = unigram.only(model_file.parse(large), kept.characters)
    normal = [piece.piece for piece in model.pieces if piece.type == model_file.NORMAL]
    letters = sum(len(piece) == 1 for piece in normal)
    if wanted < letters:
        raise _too_small(config, letters)
    if wanted > len(normal):
        raise _too_large(config, len(normal), letters)
    size = wanted + len(model.pieces) - len(normal)
    whole = unigram.words(sample.lines, model_file.processor(model))
    base = sample.weights()
    factors = dict.fromkeys(base, 1.0)
    rounds = config.parity.rounds if config.sample.rule == "parity" else 0
    each = _PRUNE / ((rounds + 1) * unigram.rounds(len(model.pieces), size))

    def done() -> None:
        steps.done += each

    told: list[dict[str, float]] = []
    if rounds:
        part, lines = whole, measure
        if lines is None:
            fit, lines = parity.hold_out(sample.lines, config.parity.held_out)
            part = unigram.words(fit, model_file.processor(model))
        for _ in range(rounds):
            weights = {code: base[code] * factors[code] for code in base}
            every = lines.costs(model_file.processor(unigram.prune(model, part, weights, size, done)))
            # Parallel text may have languages that are not trained on: they would make all others look cheap.
            costs = {code: cost for code, cost in every.items() if code in base}
            if not costs:
                raise ConfigError(f"{config.parity.parallel} has none of the languages that are trained on")
            told.append(_spread(costs))
            factors = parity.adjusted(factors, costs, config.parity.strength)
    model = unigram.prune(model, whole, {code: base[code] * factors[code] for code in base}, size, done)
    how = {"by": config.parity.parallel or "held-out lines and density", "rounds": told} if rounds else {}
    return model, {**how, "factors": {code: round(one, 4) for code, one in sorted(factors.items())}} if how else {}


def _spread(costs: Mapping[str, float]) -> dict[str, float]:
    """How unlike the costs of the languages are: the dearest and the cheapest as shares of the mean."""
    if not costs:
        return {}
    mean = sum(costs.values()) / len(costs)
    return {
        "tokens_per_english_character": round(mean, 4),
        "dearest": round(max(costs.values()) / mean, 4),
        "cheapest": round(min(costs.values()) / mean, 4),
    }


def _large(config: TokenizerConfig, sample: Sample, kept: Coverage, work: Path, steps: _Steps) -> bytes:
    """SentencePiece's own model of the sample, several times as large as the one wanted, or as large as can be."""
    wanted = config.vocabulary.rounded
    size = min(8 * wanted, max(2 * wanted, 256_000), _MOST)
    lines = (f"{line}\n" for code in sample.languages for line in sample.lines[code])
    arguments = _arguments(config, sample, work, lines) | {
        "model_type": "unigram",
        "vocab_size": max(size, len(kept.characters) * 2 + 1_000),
        "hard_vocab_limit": False,
        "character_coverage": 1.0,
        "seed_sentencepiece_size": max(1_000_000, 4 * size),
    }
    while True:
        try:
            return sentencepiece_trainer.train(work / "request.json", arguments, _teller(steps))
        except sentencepiece_trainer.TooSmall as error:  # it counts the characters that are to be left to bytes, too
            arguments["vocab_size"] = error.needed + wanted
        except sentencepiece_trainer.TooLarge as error:
            raise _too_large(
                config, error.possible - len(config.vocabulary.symbols) - 259, len(kept.characters)
            ) from None


def _bpe(config: TokenizerConfig, sample: Sample, kept: Coverage, work: Path, steps: _Steps) -> Any:
    """SentencePiece's own BPE model, every line counting as its language does."""
    weights = sample.weights()
    lines = (
        f"{line.replace(chr(9), ' ')}\t{max(1, round(100 * weights[code]))}\n"
        for code in sample.languages
        for line in sample.lines[code]
    )
    arguments = _arguments(config, sample, work, lines) | {
        "model_type": "bpe",
        "input_format": "tsv",
        "vocab_size": min(config.vocabulary.rounded - config.vocabulary.sentinels, _MOST),
        "character_coverage": 0.98,  # beyond those that are required
        # With the sign for a blank among them SentencePiece takes none of the others for required.
        "required_chars": "".join(sorted(kept.characters - {"\u2581"})),
    }
    try:
        return model_file.parse(sentencepiece_trainer.train(work / "request.json", arguments, _teller(steps)))
    except sentencepiece_trainer.TooSmall as error:
        raise _too_small(config, error.needed - len(config.vocabulary.symbols) - 259) from None
    except sentencepiece_trainer.TooLarge as error:
        raise _too_large(config, error.possible - len(config.vocabulary.symbols) - 259, len(kept.characters)) from None


def _teller(steps: _Steps) -> Callable[[float], None]:
    def tell(share: float) -> None:
        steps.done = max(steps.done, _READ + _TRAIN * share)

    return tell


def _arguments(config: TokenizerConfig, sample: Sample, work: Path, lines: Any) -> dict[str, Any]:
    """What both kinds of training have in common; writes the lines where the trainer reads them."""
    with open(work / "lines.txt", "w", encoding="utf-8", newline="\n") as file:
        file.writelines(lines)
    with open(work / "rules.tsv", "w", encoding="utf-8") as file:
        file.writelines(normalizer.rule_lines())
    return {
        "input": str(work / "lines.txt"),
        "model_prefix": str(work / "model"),
        "normalization_rule_tsv": str(work / "rules.tsv"),
        "required_chars": unseen(sample.languages),
        "byte_fallback": True,
        "pad_id": PAD,
        "eos_id": EOS,
        "unk_id": UNK,
        "bos_id": -1,
        "split_digits": config.vocabulary.split_digits,
        "user_defined_symbols": list(config.vocabulary.symbols),
        "max_sentence_length": 1 << 20,
        "input_sentence_size": 0,
        "shuffle_input_sentence": False,
        "num_threads": sentencepiece_trainer.THREADS,
    }


def _too_large(config: TokenizerConfig, pieces: int, letters: int) -> ConfigError:
    possible = (pieces + config.vocabulary.fixed) // MULTIPLE * MULTIPLE
    if possible < letters + config.vocabulary.fixed:
        return ConfigError(
            f"this text is too little for any tokenizer: it has {pieces} pieces, {letters} characters among them, "
            f"and no multiple of {MULTIPLE} holds the characters and is filled by the pieces; expected more text"
        )
    return ConfigError(
        f"--vocab-size {config.vocabulary.size} is more than this text has pieces for: "
        f"the largest possible is {possible}"
    )


def _too_small(config: TokenizerConfig, letters: int) -> ConfigError:
    possible = -(-(letters + config.vocabulary.fixed) // MULTIPLE) * MULTIPLE
    return ConfigError(
        f"--vocab-size {config.vocabulary.size} is too small: bytes, special pieces and the {letters} characters of "
        f"these languages need {possible}"
    )


def _compare(model: Any, exported: str, sample: Sample) -> None:
    """GlotmillError where the two files give different ids for lines of the sample."""
    try:
        import tokenizers
    except ImportError:  # who does not have it does not need the file either
        return
    theirs, ours = tokenizers.Tokenizer.from_str(exported), model_file.processor(model)
    for code in sample.languages:
        for line in sample.lines[code][:_CHECKED]:
            if ours.encode(line) != theirs.encode(line).ids:
                raise GlotmillError(f"{MODEL} and {HUGGING_FACE} segment a line of {code} differently: {line!r}")


def read_about(out: Path) -> dict[str, Any]:
    """What stands in the manifest of a finished tokenizer; SourceError where there is none."""
    try:
        values: dict[str, Any] = json.loads((out / ABOUT).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(f"{out} holds no finished tokenizer: {error}") from error
    return values
