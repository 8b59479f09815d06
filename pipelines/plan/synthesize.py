"""Estimate what a synthesis costs: requests, tokens, money, and the least time under a rate limit.

The prompts for some rows of each part are made but not sent, and the cost is scaled up. Tokens are estimated from
bytes. Answers are assumed to be as long as the text that they replace, since only the server knows their length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from collection import store
from collection.languages import table
from collection.record import Record, from_batch
from core.remote import Budget
from pipelines.augment import generators
from pipelines.augment.answer_checks import find_question_fault, wanted
from pipelines.augment.row_job import read_inputs
from pipelines.augment.synthesize import Synthesis, SynthesizeConfig, check_budget

_ROWS: Final = 20_000
# About the number of bytes of UTF-8 in a token, for most tokenizers and languages.
_BYTES_A_TOKEN: Final = 3.5
_TOKENS_A_TURN: Final = 4


@dataclass(frozen=True)
class SynthesisEstimate:
    """What a run would send. The `most` figures assume that every answer has the maximal length, and an empty cache."""

    command: str
    rows: int
    sampled_rows: int
    rows_asked_about: int
    requests: int
    input_tokens: int
    output_tokens: int
    most_output_tokens: int
    usd: float | None
    most_usd: float | None
    least_seconds: float | None
    within_budget: bool | None


def of_synthesis(inputs: Sequence[Path], config: SynthesizeConfig, budget: Budget = Budget()) -> SynthesisEstimate:
    """Return what a synthesis would cost, without a request to a server and without a key.

    It raises the errors of a run that cannot begin.
    """
    synthesis = Synthesis.of(config)
    check_budget(budget, synthesis)
    rows = read_inputs(inputs).rows
    paid = [generator for generator in synthesis.generators if generators.is_paid(generator)]
    judged = synthesis.has_judge and generators.is_paid(synthesis.judge)
    sample = _measured(inputs, synthesis)
    share = rows / sample.rows if sample.rows else 0.0
    tokens_in = (sample.prompt_bytes / _BYTES_A_TOKEN + _TOKENS_A_TURN * sample.turns) * share
    tokens_out = sample.answer_bytes / _BYTES_A_TOKEN * share
    expected, most = round(sample.prompts * share), 0
    usd = most_usd = 0.0
    total_in = total_out = 0.0
    for generator in paid:
        longest = expected * generator.max_tokens
        out = min(tokens_out, longest)
        total_in, total_out, most = total_in + tokens_in, total_out + out, most + longest
        usd += generator.account.usd_per_million.cost(round(tokens_in), round(out))
        most_usd += generator.account.usd_per_million.cost(round(tokens_in), longest)
    if judged:
        # A judge reads the question and all answers, and answers with a letter.
        judge_in, judge_out = tokens_in + len(synthesis.generators) * tokens_out, expected * 10
        total_in, total_out, most = (
            total_in + judge_in,
            total_out + judge_out,
            most + expected * synthesis.judge.max_tokens,
        )
        prices = synthesis.judge.account.usd_per_million
        usd += prices.cost(round(judge_in), judge_out)
        most_usd += prices.cost(round(judge_in), expected * synthesis.judge.max_tokens)
    requests = expected * (len(paid) + judged)
    priced = bool(paid) and all(generator.account.usd_per_million.known for generator in paid)
    limit = config.remote.requests_per_minute
    within = [
        have <= allowed
        for have, allowed in ((requests, budget.requests), (total_in + total_out, budget.tokens), (usd, budget.usd))
        if allowed is not None
    ]
    return SynthesisEstimate(
        "synthesize",
        rows=rows,
        sampled_rows=sample.rows,
        rows_asked_about=expected,
        requests=requests,
        input_tokens=round(total_in),
        output_tokens=round(total_out),
        most_output_tokens=most,
        usd=round(usd, 4) if priced else None,
        most_usd=round(most_usd, 4) if priced else None,
        least_seconds=round(requests * 60 / limit, 1) if limit else None,
        within_budget=all(within) if within else None,
    )


@dataclass
class _Sample:
    """The rows of a sample, the prompts made of them, and their sizes."""

    rows: int = 0
    prompts: int = 0
    turns: int = 0
    prompt_bytes: int = 0
    answer_bytes: int = 0


def _measured(inputs: Sequence[Path], synthesis: Synthesis) -> _Sample:
    """Return the measures of the prompts for some rows of every part."""
    method, select = synthesis.method, synthesis.method.select
    groups = wanted(select)
    sample = _Sample()
    for record in _sample(inputs):
        sample.rows += 1
        kept = method.kept(record)[-1].content
        if find_question_fault(kept, table()[record.language], select, groups, None, synthesis.answers):
            continue
        sample.prompts += 1
        question = method.question(record, synthesis.language_of(record))
        sample.turns += len(question.messages)
        sample.prompt_bytes += sum(len(turn.content.encode()) for turn in question.messages)
        sample.answer_bytes += len((record.prompt if method.keeps == "answer" else record.target).encode())
    return sample


def _sample(inputs: Sequence[Path]) -> Iterator[Record]:
    """Yield the first rows of every part."""
    parts = [path for folder in inputs for path in store.parts(folder)]
    share = max(1, _ROWS // max(1, len(parts)))
    for path in parts:
        batch = next(store.batches(path, rows=share), None)
        if batch is not None:
            yield from from_batch(batch)
