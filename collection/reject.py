"""A row that was not kept: why, where it stood, and what it held. The rejects of a stage are its decision log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import pyarrow as pa

from core.errors import ConfigError


class Reason(StrEnum):
    """Why a row was not kept; REASONS says what each means."""

    UNREADABLE_FILE = "unreadable_file"
    TRUNCATED_FILE = "truncated_file"
    INVALID_ENCODING = "invalid_encoding"
    INVALID_JSON = "invalid_json"
    NOT_A_ROW = "not_a_row"

    MISSING_FIELD = "missing_field"
    NO_TURNS = "no_turns"
    NO_ANSWER = "no_answer"
    UNKNOWN_ROLE = "unknown_role"
    UNKNOWN_LANGUAGE = "unknown_language"
    HELD_OUT = "held_out"

    NO_TEMPLATE = "no_template"
    TEMPLATE_FAILED = "template_failed"
    NOT_APPLICABLE = "not_applicable"
    SEVERAL_TARGETS = "several_targets"
    SHORT_TARGET = "short_target"

    LINK_IN_PROMPT = "link_in_prompt"
    UNANSWERED = "unanswered"
    CUT_ANSWER = "cut_answer"
    MALFORMED_ANSWER = "malformed_answer"
    REFUSAL = "refusal"
    UNCHANGED_ANSWER = "unchanged_answer"
    NOT_CHOSEN = "not_chosen"

    EMPTY_PROMPT = "empty_prompt"
    EMPTY_TARGET = "empty_target"
    TRIVIAL_TARGET = "trivial_target"
    TARGET_COPIES_PROMPT = "target_copies_prompt"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    DAMAGED_TEXT = "damaged_text"
    REPETITION = "repetition"
    MOSTLY_URLS = "mostly_urls"
    MOSTLY_MARKUP = "mostly_markup"
    WRONG_LANGUAGE = "wrong_language"
    UNDETECTED_LANGUAGE = "undetected_language"
    UNWANTED_LANGUAGE = "unwanted_language"
    WRONG_SCRIPT = "wrong_script"

    EXACT_DUPLICATE = "exact_duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    CONTAMINATED = "contaminated"

    SAME_LANGUAGE = "same_language"
    NO_TRANSLATOR = "no_translator"
    NOT_TRANSLATED = "not_translated"
    LOST_STRUCTURE = "lost_structure"
    POOR_TRANSLATION = "poor_translation"
    OVER_BUDGET = "over_budget"

    INTERNAL_ERROR = "internal_error"


# Reason: the stage that gives it, and what it means.
REASONS: Final[dict[Reason, tuple[str, str]]] = {
    Reason.UNREADABLE_FILE: ("read", "a file that could not be opened or read on"),
    Reason.TRUNCATED_FILE: ("read", "a file that ends too early; the rows before the cut were read"),
    Reason.INVALID_ENCODING: ("read", "bytes that are not UTF-8, nor the encoding that was named"),
    Reason.INVALID_JSON: ("read", "a line or a piece of a file that is not JSON"),
    Reason.NOT_A_ROW: ("read", "JSON, but no object: a string, a number, a list"),
    Reason.MISSING_FIELD: ("parse", "a field that every row of this source has is absent, empty or of another type"),
    Reason.NO_TURNS: ("parse", "a conversation without turns"),
    Reason.NO_ANSWER: ("parse", "a conversation in which no question is followed by an answer"),
    Reason.UNKNOWN_ROLE: ("parse", "a turn whose speaker has an unknown role"),
    Reason.UNKNOWN_LANGUAGE: ("parse", "a language code or name that is in no table"),
    Reason.HELD_OUT: ("parse", "a row of an evaluation set, kept out of training"),
    Reason.NO_TEMPLATE: ("template", "a row of task data that none of the templates is for"),
    Reason.TEMPLATE_FAILED: ("template", "a template that cannot be rendered over this row"),
    Reason.NOT_APPLICABLE: ("template", "a template that has no prompt, or no answer, for this row"),
    Reason.SEVERAL_TARGETS: ("template", "a template that gives more than one answer for this row"),
    Reason.SHORT_TARGET: ("template", "an answer of fewer words than were asked for"),
    Reason.LINK_IN_PROMPT: ("synthesize", "a prompt with a link, which its answer would need to follow"),
    Reason.UNANSWERED: ("synthesize", "no answer from the generator, after all retries"),
    Reason.CUT_ANSWER: ("synthesize", "an answer that was cut at the limit of tokens"),
    Reason.MALFORMED_ANSWER: ("synthesize", "an answer without what its method looks for in it"),
    Reason.REFUSAL: ("synthesize", "an answer that says no to a question that should be answered"),
    Reason.UNCHANGED_ANSWER: ("synthesize", "an answer that is the one it should have bettered"),
    Reason.NOT_CHOSEN: ("synthesize", "another generator's answer to the same question was chosen"),
    Reason.EMPTY_PROMPT: ("filter", "no prompt, or one of blanks alone"),
    Reason.EMPTY_TARGET: ("filter", "no answer, or one of blanks alone"),
    Reason.TRIVIAL_TARGET: ("filter", "an answer without a single letter or digit"),
    Reason.TARGET_COPIES_PROMPT: ("filter", "an answer that repeats the prompt"),
    Reason.TOO_SHORT: ("filter", "shorter than the limit, in characters weighed by script"),
    Reason.TOO_LONG: ("filter", "longer than the limit, in characters weighed by script"),
    Reason.DAMAGED_TEXT: ("filter", "too many replacement characters: text was lost before it came here"),
    Reason.REPETITION: ("filter", "one piece of text over and over"),
    Reason.MOSTLY_URLS: ("filter", "links rather than text"),
    Reason.MOSTLY_MARKUP: ("filter", "tags rather than text"),
    Reason.WRONG_LANGUAGE: ("filter", "written in another language than it is said to be"),
    Reason.UNDETECTED_LANGUAGE: ("filter", "no language was declared, and none could be detected"),
    Reason.UNWANTED_LANGUAGE: ("filter", "a language outside those that were asked for"),
    Reason.WRONG_SCRIPT: ("filter", "written in a script that the language does not use"),
    Reason.SAME_LANGUAGE: ("translate", "a row that is written in the language asked for already"),
    Reason.NO_TRANSLATOR: ("translate", "a row, or a turn of it, in a language that the engine cannot translate from"),
    Reason.NOT_TRANSLATED: ("translate", "a row of which the engine gave no translation"),
    Reason.LOST_STRUCTURE: ("translate", "a translation without code, links or placeholders that must be in it"),
    Reason.POOR_TRANSLATION: ("translate", "a translation whose estimated quality is below the bar"),
    Reason.OVER_BUDGET: ("derive", "not made: the budget was spent before; the same command with more makes it"),
    Reason.INTERNAL_ERROR: ("parse", "a row on which glotmill itself failed: please report it"),
    Reason.EXACT_DUPLICATE: ("deduplicate", "the same conversation as a row that was kept"),
    Reason.NEAR_DUPLICATE: ("deduplicate", "nearly the same conversation as a row that was kept"),
    Reason.CONTAMINATED: ("decontaminate", "holds an item of an evaluation set"),
}


@dataclass(frozen=True, slots=True)
class Reject:
    """One line of the decision log.

    `detail` says what exactly was seen; `location` where: `file:row`, counted from 1. `raw` is the row as it was
    read, cut at the limit that the run was given (`detail` then tells its full size). `id` is empty where the row
    could not be read far enough to have one.
    """

    reason: Reason
    detail: str = ""
    id: str = ""
    language: str = ""
    source: str = ""
    location: str = ""
    raw: str = ""

    @property
    def stage(self) -> str:
        return REASONS[self.reason][0]


SCHEMA: Final = pa.schema(
    [
        pa.field(name, pa.string(), nullable=False)
        for name in ("id", "stage", "reason", "detail", "language", "source", "location", "raw")
    ]
)


def check_raw_limit(limit: int) -> None:
    """ConfigError for a limit on what a reject keeps of its row that makes no sense."""
    if limit < 0:
        raise ConfigError(f"raw_limit is {limit}: expected a number of characters, 0 for none")


def to_batch(rejects: Sequence[Reject]) -> pa.RecordBatch:
    """Return the rejects as one Arrow batch of SCHEMA, in their order."""
    columns = [pa.array([_storable(getattr(reject, name)) for reject in rejects], pa.string()) for name in SCHEMA.names]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def _storable(text: str) -> str:
    # A reject may hold the very characters that made its row unusable: a lone surrogate is shown as \udXXX.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
