"""Parse the Aya Dataset (written by people) and the Aya Collection (templated and translated), in all published forms.

The test split of the Aya Dataset, 1,750 rows, is the human-annotated part of the Aya Evaluation Suite. A model trained
on it cannot be evaluated on it, so its rows are rejected unless `held_out = "keep"`. The Collection has the same rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from collection.languages import Language
from collection.record import Message
from collection.reject import Reason
from pipelines.ingest.sources.base import (
    Parsed,
    ParseFault,
    SourceKind,
    SourceOptions,
    folders_of,
    label,
    language_of,
    split_in_path,
    text_field,
)


@dataclass(frozen=True)
class AyaOptions(SourceOptions):
    """How rows of Aya are read."""

    held_out: Literal["drop", "keep"] = "drop"  # rows of an evaluation set: drop, keep


class _Aya(SourceKind):
    Options = AyaOptions
    _options: AyaOptions

    def _split(self, row: Mapping[str, Any], file: str) -> str:
        return label(row, "split") or split_in_path(file)

    def _refuse_held_out(self, split: str, data_set: str) -> None:
        if split == "test" and self._options.held_out == "drop":
            raise ParseFault(Reason.HELD_OUT, f"test split of {data_set}: part of the Aya Evaluation Suite")


class AyaDataset(_Aya):
    """Rows of `inputs`, `targets`, `language`, `language_code`, `annotation_type`, `user_id`."""

    help = "the Aya Dataset: prompts and answers written by people"
    default_name = "aya_dataset"

    def parse(self, row: Mapping[str, Any], file: str) -> Parsed:
        messages = (Message("user", text_field(row, "inputs")), Message("assistant", text_field(row, "targets")))
        split = self._split(row, file)
        self._refuse_held_out(split, "the Aya Dataset")
        return Parsed(
            messages,
            language_of(label(row, "language_code", "language"), label(row, "language"), self._options.language),
            dataset="aya_dataset",
            task=label(row, "annotation_type"),
            split=split or "train",
            origin=self._options.origin or "human",
            license=self._options.license or "Apache-2.0",
        )


class AyaCollection(_Aya):
    """Rows of `id`, `inputs`, `targets`, names of data set, task and template, `language`, `script`, `split`.

    Copies differ: `language` or `language_code`, a number or text as `template_id`, a stray `__index_level_0__`.
    """

    help = "the Aya Collection: templated and translated data sets"
    default_name = "aya_collection"

    def parse(self, row: Mapping[str, Any], file: str) -> Parsed:
        messages = (Message("user", text_field(row, "inputs")), Message("assistant", text_field(row, "targets")))
        name, sub = label(row, "dataset_name"), label(row, "sub_dataset_name")
        split = self._split(row, file)
        human = _plain(name) == "ayadataset"
        if human:
            self._refuse_held_out(split, "the Aya Dataset, carried by the Collection")
        translated = _TRANSLATED.search(name) is not None
        return Parsed(
            messages,
            self._language(row, file),
            source_id=label(row, "id"),
            dataset=f"{name}/{sub}" if sub not in ("", "-", "None") else name,
            template=label(row, "template_id"),
            task=label(row, "task_type").replace("-", "_") if label(row, "task_type") != "-" else "",
            split=split,
            origin=self._options.origin or ("human" if human else "translated" if translated else "template"),
            license=self._options.license or "Apache-2.0",
            generator=_TRANSLATOR if translated else None,
        )

    def _language(self, row: Mapping[str, Any], file: str) -> Language | None:
        code, script = label(row, "language", "language_code"), label(row, "script")
        code = _COLLECTION_CODES.get(code, code)
        named = f"{code}_{script}" if code and script else code
        return language_of(named, code, *folders_of(file)[:1], self._options.language)


# Names of translated data sets have the mark (T). One system translated all of them.
_TRANSLATED: Final = re.compile(r"\(T\)|^translated_", re.IGNORECASE)
_TRANSLATOR: Final = "NLLB-200-3.3B"
# The Collection says `man` (Mandingo) for Manipuri.
_COLLECTION_CODES: Final = {"man": "mni"}


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())
