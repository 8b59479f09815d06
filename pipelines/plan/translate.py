"""Estimate what a translation costs.

A local engine translates some of the rows. An HTTP engine is sent nothing: its tokens are counted from the
requests that it would get.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from collection.languages import table
from collection.record import Record
from collection.structure import dissect
from pipelines.augment.row_job import RowInputs, read, read_inputs
from pipelines.augment.translate import TranslateConfig, TranslationMaker, targets_of
from pipelines.augment.translators import open_translator, parse, translator_class
from pipelines.plan.estimate import START_SECONDS, cpu_seconds

_SAMPLED_ROWS: Final = 200
_SAMPLED_SLICES: Final = 16


@dataclass(frozen=True)
class TranslationEstimate:
    """What a translation would read and cost. Characters and lines count once for each target language.

    Tokens and cost are None for an engine that is not paid. Seconds are None for a server, whose speed is unknown.
    """

    command: str
    files: int
    bytes_in: int
    shards: int
    rows: int
    languages: int
    pairs: int
    characters: int
    lines: int
    sampled_rows: int
    input_tokens: int | None
    output_tokens: int | None
    usd: float | None
    cpu_seconds: float | None
    seconds: float | None


def of_translate(inputs: Sequence[Path], config: TranslateConfig) -> TranslationEstimate:
    """Return what a translation would cost; SourceError for an input that cannot be read."""
    targets = targets_of(config)
    rows = read_inputs(inputs)
    sample = _sample(rows)
    share = rows.rows / max(len(sample), 1) * len(targets)
    texts = [
        dissect(turn.content, table()[record.language], config.max_sentence)
        for record in sample
        for turn in record.messages
        if turn.role in config.roles
    ]
    segments = [segment.text for text in texts for segment in text.segments]
    engine = translator_class(config.translator)
    paid = engine.paid
    tokens = _tokens(sample, segments, config) if paid else (0, 0)
    cpu, wall = (0.0, 0.0) if paid else _tried(sample, config)
    prices = engine.prices(config)
    return TranslationEstimate(
        "translate",
        files=len(rows.inputs),
        bytes_in=rows.bytes,
        shards=len(rows.pieces(config.rows_a_piece)),
        rows=rows.rows,
        languages=len(targets),
        pairs=rows.rows * len(targets),
        characters=round(sum(map(len, segments)) * share),
        lines=round(len(segments) * share),
        sampled_rows=len(sample),
        input_tokens=round(tokens[0] * share) if paid else None,
        output_tokens=round(tokens[1] * share) if paid else None,
        usd=round(prices.cost(round(tokens[0] * share), round(tokens[1] * share)), 2) if paid else None,
        cpu_seconds=None if paid else round(cpu * share / len(targets) + START_SECONDS, 1),
        seconds=None if paid else round(wall * share / len(targets) + START_SECONDS, 1),
    )


def _sample(rows: RowInputs) -> list[Record]:
    """Return some rows, evenly spread over all."""
    pieces = rows.pieces(max(1, rows.rows // _SAMPLED_SLICES))
    each = -(-_SAMPLED_ROWS // max(len(pieces), 1))
    return [record for piece in pieces for record in itertools.islice(read(piece.slices), each)]


def _tokens(sample: Sequence[Record], segments: Sequence[str], config: TranslateConfig) -> tuple[int, int]:
    """Return about how many tokens are sent and returned for a sample in one language; 0 for engines without tokens."""
    engine, argument = translator_class(config.translator), parse(config.translator)[1]
    engine.check(argument, config)
    target = targets_of(config)[0]
    asked = (
        engine.request(argument, segment.text, table()[record.language], target, config)
        for record in sample
        for turn in record.messages
        if turn.role in config.roles
        for segment in dissect(turn.content, table()[record.language], sentencewise=False).segments
    )
    requests = [request for request in asked if request is not None]
    answers = sum(len(request.body["messages"][-1]["content"].encode()) for request in requests)
    return sum(request.input_tokens for request in requests), answers // 3


def _tried(sample: Sequence[Record], config: TranslateConfig) -> tuple[float, float]:
    """Return the CPU seconds and seconds of translating a sample into all languages."""
    with open_translator(config.translator, config) as translator:
        maker = TranslationMaker(config, translator)
        maker.make(sample[:5])  # loads the models
        begun, clock = cpu_seconds(), time.monotonic()
        maker.make(sample)
        return cpu_seconds() - begun, time.monotonic() - clock
