"""Measure the speed of translation, and how well the quality estimate separates good translations from bad ones.

    python benchmarks/translate.py [--shared DIR] [--repeat 5] [--only speed,jobs,quality] [--write docs/translation.md]

`speed`: lines through glotmill's CTranslate2 engine, as a share of the library's own `translate_batch` on the same
sentences, cut into tokens beforehand. Two models: the small real one (Arabic names into Latin letters), and one of the
usual form (6 + 6 layers of 512) with random weights, since the cost of a model does not depend on its weights. Limit
and engine alternate, and the median ratio of CPU seconds counts. `jobs`: the whole job of each local engine, rows a
CPU-second. `quality`: the estimate of every recorded translation of FLORES against sentence-level chrF.

Needs `data/ct2_aren_transliteration`, `data/recorded_mt_flores` and `data/sib200` below DIR.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measure import cpu_seconds

from collection.detectors import make_detector
from collection.languages import Language, resolve, table
from collection.manifest import KEPT, Manifest, Tally
from collection.record import Message, Record
from collection.store import PartWriter
from collection.translation_quality import TranslationQualityConfig, estimate
from core import tables
from pipelines.augment.translate import TranslateConfig, translate
from pipelines.augment.translators.config import CTranslate2Config
from pipelines.augment.translators.ctranslate2 import CTranslate2
from pipelines.augment.translators.replay import ReplayTranslator
from pipelines.runner import RunConfig

BEGIN, END = "<!-- written by benchmarks/translate.py -->", "<!-- end -->"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = Path(os.environ.get("GLOTMILL_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    arguments.add_argument("--shared", type=Path, default=shared)
    arguments.add_argument("--repeat", type=int, default=5)
    arguments.add_argument("--only", default="speed,jobs,quality")
    arguments.add_argument("--write", type=Path, help="a page that takes the table of qualities between its marks")
    given = arguments.parse_args()
    parts = given.only.split(",")
    if "speed" in parts:
        speed(given.shared, given.repeat)
    if "jobs" in parts:
        jobs(given.shared)
    if "quality" in parts:
        text = quality(given.shared)
        print(text)
        if given.write:
            page = given.write.read_text("utf-8")
            before, rest = page.split(BEGIN)
            given.write.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}", "utf-8")


# Speed


def speed(shared: Path, repeat: int) -> None:
    words = list(dict.fromkeys(" ".join(sentences(shared, "arb_Arab")).split()))[:4_000]
    names = CTranslate2(
        str(shared / "data/ct2_aren_transliteration"), CTranslate2Config(source="arb", target="eng", threads=1)
    )
    compare("names, real weights", names, words, resolve("arb"), resolve("eng"), repeat)
    with tempfile.TemporaryDirectory() as folder:
        lines = sentences(shared, "eng_Latn")[:192]
        make_random_model(Path(folder), lines)
        config = CTranslate2Config(source="eng", target="spa", threads=1, max_tokens=64, compute_type="int8")
        engine = CTranslate2(folder, config)
        compare("6 + 6 layers of 512, int8", engine, lines, resolve("eng"), resolve("spa"), repeat)


def compare(
    name: str, engine: CTranslate2, lines: Sequence[str], source: Language, target: Language, repeat: int
) -> None:
    """Print the speed of the engine compared with the library alone."""
    tokens = [engine.tokens(line, source, target) for line in lines]
    config = engine._config

    def library() -> None:
        engine._engine.translate_batch(
            tokens,
            beam_size=config.beam_size,
            max_batch_size=config.batch_tokens,
            batch_type="tokens",
            max_decoding_length=config.max_tokens,
        )

    pairs = [(cpu_of(library), cpu_of(lambda: engine.translate(lines, source, target))) for _ in range(repeat + 1)][1:]
    ratio = statistics.median(limit / own for limit, own in pairs)
    own = statistics.median(own for _, own in pairs)
    print(f"{name}: {len(lines):,} lines, {len(lines) / own:,.0f} a CPU-second, {ratio:.3f} of translate_batch")


def make_random_model(folder: Path, lines: Sequence[str]) -> None:
    """Write a model of the usual form, with random weights and a made-up vocabulary."""
    import ctranslate2
    import sentencepiece

    text = folder / "text"
    text.write_text("\n".join(lines), "utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / "m"), vocab_size=1_000, minloglevel=2
    )
    (folder / "m.model").rename(folder / "spm.model")
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spm.model"))
    tokens = [pieces.id_to_piece(number) for number in range(pieces.vocab_size())]
    tokens += [">>spa<<"] + [f"filler{number}" for number in range(32_000 - len(tokens) - 1)]
    spec = ctranslate2.specs.TransformerSpec.from_config(6, 8)
    chance = np.random.default_rng(7)
    fill(spec, chance, len(tokens))
    spec.register_source_vocabulary(tokens)
    spec.register_target_vocabulary(tokens)
    spec.validate()
    spec.save(str(folder))


def fill(spec: Any, chance: np.random.Generator, words: int, width: int = 512, inner: int = 2048) -> None:
    """Assign weights to every variable of a Transformer."""

    def some(*shape: int) -> np.ndarray[Any, Any]:
        return (chance.standard_normal(shape) * 0.05).astype(np.float32)

    def linear(one: Any, out: int, into: int) -> None:
        one.weight, one.bias = some(out, into), some(out)

    def norm(one: Any) -> None:
        one.gamma, one.beta = np.ones(width, np.float32), np.zeros(width, np.float32)

    for half in (spec.encoder, spec.decoder):
        embeddings = half.embeddings if not isinstance(half.embeddings, list) else half.embeddings[0]
        embeddings.weight = some(words, width)
        half.position_encodings.encodings = some(1024, width)
        for layer in half.layer:
            linear(layer.self_attention.linear[0], 3 * width, width)
            linear(layer.self_attention.linear[1], width, width)
            norm(layer.self_attention.layer_norm)
            if half is spec.decoder:
                linear(layer.attention.linear[0], width, width)
                linear(layer.attention.linear[1], 2 * width, width)
                linear(layer.attention.linear[2], width, width)
                norm(layer.attention.layer_norm)
            norm(layer.ffn.layer_norm)
            linear(layer.ffn.linear_0, inner, width)
            linear(layer.ffn.linear_1, width, inner)
        if half.layer_norm is not None and hasattr(half.layer_norm, "gamma"):
            norm(half.layer_norm)
    linear(spec.decoder.projection, words, width)


def cpu_of(function: Callable[[], Any]) -> float:
    begun = cpu_seconds()
    function()
    return cpu_seconds() - begun


def jobs(shared: Path) -> None:
    """Measure the whole job of Apertium, and of a replay, which is everything but the engine."""
    english = sentences(shared, "eng_Latn")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_rows(folder / "in", list(zip(english[::2], english[1::2], strict=False)))
        recorded = folder / "recorded.jsonl"
        pair = {"source_language": "eng_Latn", "target_language": "spa_Latn"}
        spanish = sentences(shared, "spa_Latn")
        lines = [{"source": a, "target": b, **pair} for a, b in zip(english, spanish, strict=True)]
        recorded.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
        for name in ("apertium", f"replay:{recorded}"):
            config = TranslateConfig(
                translator=name,
                to=("spa_Latn",),
                run=RunConfig(mode="in_memory"),
                quality=TranslationQualityConfig(min_score=0),
            )
            out = folder / f"out-{name[:4]}"
            begun = cpu_seconds()
            made = translate([folder / "in"], config, out)
            spent = cpu_seconds() - begun
            share = made.rows_out / made.rows_in
            speed = made.rows_in / spent
            print(f"{name.split(':')[0]}: {speed:,.0f} rows of two sentences a CPU-second, {share:.0%} kept")


def write_rows(folder: Path, pairs: Sequence[tuple[str, str]]) -> None:
    tally, records = Tally(), []
    for question, answer in pairs:
        turns = (Message("user", question), Message("assistant", answer))
        records.append(Record.of(messages=turns, language="eng_Latn", source="sib200"))
        tally.outcomes["sib200", "eng_Latn", KEPT] += 1
    with PartWriter(folder, 0, 1) as part:
        part.write(records)
    Manifest.of("sample", tally, 1, complete=True).write(folder)


def sentences(shared: Path, code: str) -> list[str]:
    """Return the sentences of SIB-200 in a language, in the same order in all languages."""
    found = {}
    for path in sorted((shared / "data/sib200").rglob("*.tsv")):
        if path.parent.name == code:
            for row in tables.rows(path, "tsv"):
                found[path.name, int(row.data["index_id"])] = row.data["text"]
    return [found[key] for key in sorted(found)]


# Quality


def quality(shared: Path) -> str:
    """Return a table by language and system: correlation of the estimate with chrF, and rows below the threshold."""
    from sacrebleu.metrics.chrf import CHRF

    place = shared / "data/recorded_mt_flores"
    sources = next(place.rglob("flores-test.en")).read_text("utf-8").splitlines()
    chrf, detector, english = CHRF(), make_detector("vote"), resolve("eng_Latn")
    scored: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for system in ("nllb", "bergamot-tiny"):
        engine = ReplayTranslator(f"{place}?system={system}")
        for code, folder in targets(place):
            language = table()[code]
            if engine.generator(english, language) is None:
                continue
            tag = folder.name[3:]
            references = (folder / f"flores-test.{tag}").read_text("utf-8").splitlines()
            found = engine.translate(sources, english, language)
            scored[code, system] = [
                (
                    estimate(source, one.text, (english, language), detector).score,
                    chrf.sentence_score(one.text, [reference]).score,
                )
                for source, one, reference in zip(sources, found, references, strict=True)
            ]
    return "\n".join([*_summary(scored), "", *_by_language(scored)])


def targets(place: Path) -> list[tuple[str, Path]]:
    found = []
    for folder in sorted(place.glob("en-*")):
        code = folder.name[3:]
        language = resolve({"tl": "fil", "zh": "zho_Hans"}.get(code, code))
        found.append((language.code, folder))
    return found


def _summary(scored: dict[tuple[str, str], list[tuple[float, float]]]) -> list[str]:
    lines = [
        "| bar | NLLB: turned away | chrF below its language's mean | bad ones found | "
        "bergamot: turned away | chrF below its language's mean | bad ones found |",
        "|---|---|---|---|---|---|---|",
    ]
    for bar in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        cells = []
        for system in ("nllb", "bergamot-tiny"):
            rows = [
                (score, truth - mean)
                for (_, one), pairs in scored.items()
                for mean in [statistics.mean(truth for _, truth in pairs)]
                if one == system
                for score, truth in pairs
            ]
            away = [gap for score, gap in rows if score < bar]
            bad = [score < bar for score, gap in rows if gap < -_BAD]
            found, gap = sum(bad) / max(1, len(bad)), -statistics.mean(away) if away else 0.0
            cells.append(f"{len(away) / len(rows):.1%} | {gap:.1f} | {found:.0%}")
        lines.append(f"| {bar} | {' | '.join(cells)} |")
    return lines


# A translation is called bad here when its chrF is so far below the mean of its language and system.
_BAD = 30


def _by_language(scored: dict[tuple[str, str], list[tuple[float, float]]]) -> list[str]:
    lines = [
        "| language | system | mean chrF | Spearman with chrF | area under the curve, worst 2% | below 0.5 | "
        "their chrF | chrF of the others |",
        "|---|---|---|---|---|---|---|---|",
    ]
    means = collections.defaultdict(list)
    for (code, system), pairs in sorted(scored.items()):
        scores, truths = np.array([s for s, _ in pairs]), np.array([t for _, t in pairs])
        worst = truths <= np.quantile(truths, 0.02)
        low = scores < 0.5
        rho, area = spearman(scores, truths), area_under(scores[~worst], scores[worst])
        means[system].append((rho, area))
        below = f"{truths[low].mean():.1f}" if low.any() else ""
        lines.append(
            f"| {code} | {system} | {truths.mean():.1f} | {rho:.2f} | {area:.2f} | {low.mean():.1%} | {below} | "
            f"{truths[~low].mean():.1f} |"
        )
    for system, found in means.items():
        rho, area = (statistics.mean(one) for one in zip(*found, strict=True))
        lines.append(f"| **mean** | {system} | | {rho:.2f} | {area:.2f} | | | |")
    return lines


def ranks(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return ranks; equal values share the mean of their ranks."""
    order = np.argsort(values, kind="stable")
    plain = np.empty(len(values))
    plain[order] = np.arange(len(values))
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    sums = np.zeros(len(counts))
    np.add.at(sums, place, plain)
    return np.asarray((sums / counts)[place])


def spearman(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> float:
    first, second = ranks(a), ranks(b)
    return float(np.corrcoef(first, second)[0, 1]) if first.std() and second.std() else 0.0


def area_under(good: np.ndarray[Any, Any], bad: np.ndarray[Any, Any]) -> float:
    """Return how often a good one scores higher than a bad one; equal scores count half."""
    together = ranks(np.concatenate([good, bad]))
    return float((together[: len(good)].sum() - len(good) * (len(good) - 1) / 2) / (len(good) * len(bad)))


if __name__ == "__main__":
    main()
