"""What a synthesis would cost, before anything is asked: requests, tokens, money, and the time that a rate limit sets.

Some rows of every part are made into the questions that would be sent; the rest is multiplied. Tokens are told from
bytes, and answers are taken to be as long as what stands in the rows in their place: only the server knows better.
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
from pipelines.augment.row_job import given
from pipelines.augment.synthesize import Synthesis, SynthesizeConfig, check_budget

_ROWS: Final = 20_000
# A token of most tokenizers has about so many bytes of UTF-8 in most languages.
_BYTES_A_TOKEN: Final = 3.5
_TOKENS_A_TURN: Final = 4


@dataclass(frozen=True)
class SynthesisEstimate:
    """What a run would ask. `most` figures hold if every answer is as long as it may be; nothing is cached yet."""

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
    """What a synthesis would cost. Errors as of a run that cannot begin; no server is asked, and no key looked at."""
    synthesis = Synthesis.of(config)
    check_budget(budget, synthesis)
    rows = given(inputs).rows
    paid = [one for one in synthesis.generators if generators.is_paid(one)]
    judged = synthesis.has_judge and generators.is_paid(synthesis.judge)
    groups, select = wanted(synthesis.method.select), synthesis.method.select
    sampled = asked = 0
    asked_bytes = answer_bytes = turns = 0
    for record in _sample(inputs):
        sampled += 1
        method, language = synthesis.method, synthesis.language_of(record)
        kept = method.kept(record)[-1].content
        if find_question_fault(kept, table()[record.language], select, groups, None, synthesis.answers):
            continue
        asked += 1
        question = method.question(record, language)
        turns += len(question.messages)
        asked_bytes += sum(len(turn.content.encode()) for turn in question.messages)
        answer_bytes += len((record.prompt if method.keeps == "answer" else record.target).encode())
    share = rows / sampled if sampled else 0.0
    tokens_in = (asked_bytes / _BYTES_A_TOKEN + _TOKENS_A_TURN * turns) * share
    tokens_out = answer_bytes / _BYTES_A_TOKEN * share
    expected, most = round(asked * share), 0
    usd = most_usd = 0.0
    total_in = total_out = 0.0
    for one in paid:
        longest = expected * one.max_tokens
        out = min(tokens_out, longest)
        total_in, total_out, most = total_in + tokens_in, total_out + out, most + longest
        usd += one.account.usd_per_million.cost(round(tokens_in), round(out))
        most_usd += one.account.usd_per_million.cost(round(tokens_in), longest)
    if judged:
        # A judge reads the question and all answers, and says a letter.
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
    priced = bool(paid) and all(one.account.usd_per_million.known for one in paid)
    limit = config.remote.requests_per_minute
    within = [
        have <= allowed
        for have, allowed in ((requests, budget.requests), (total_in + total_out, budget.tokens), (usd, budget.usd))
        if allowed is not None
    ]
    return SynthesisEstimate(
        "synthesize",
        rows=rows,
        sampled_rows=sampled,
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


def _sample(inputs: Sequence[Path]) -> Iterator[Record]:
    """The first rows of every part."""
    parts = [path for folder in inputs for path in store.parts(folder)]
    share = max(1, _ROWS // max(1, len(parts)))
    for path in parts:
        batch = next(store.batches(path, rows=share), None)
        if batch is not None:
            yield from from_batch(batch)
