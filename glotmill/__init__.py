"""Mill multilingual sources into one instruction collection in 100+ languages.

    import glotmill

    ingest, build                 sources into a collection
    load_collection, Collection   records, rejects and counts of a folder
    train_tokenizer, encode       a tokenizer of a collection, and the collection as token ids
    Tokenizer                     text into ids and back
    finetune                      training, as `glotmill finetune` does it
    Model                         a trained model: generate, embed, rerank
    evaluate, load_report         scores by language
    compare                       paired tests between two evaluations
    UserError                     the root of all errors that the caller can fix

Each function does what the command of the same name does. It writes the same folder, resumes the same way and raises
the errors that the command prints. docs/python.md shows an example. Importing this package loads no large library;
each function loads what it needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from core import __version__

if TYPE_CHECKING:
    from core.errors import UserError
    from glotmill.api.collections import Collection, build, ingest, load_collection
    from glotmill.api.evaluations import compare, evaluate, load_report
    from glotmill.api.models import Model, finetune
    from glotmill.api.tokenizers import Tokenizer, encode, train_tokenizer

# The public names, and the modules that define them.
_MODULES = {
    "ingest": "glotmill.api.collections",
    "build": "glotmill.api.collections",
    "load_collection": "glotmill.api.collections",
    "Collection": "glotmill.api.collections",
    "train_tokenizer": "glotmill.api.tokenizers",
    "encode": "glotmill.api.tokenizers",
    "Tokenizer": "glotmill.api.tokenizers",
    "finetune": "glotmill.api.models",
    "Model": "glotmill.api.models",
    "evaluate": "glotmill.api.evaluations",
    "load_report": "glotmill.api.evaluations",
    "compare": "glotmill.api.evaluations",
    "UserError": "core.errors",
}

__all__ = [
    "Collection",
    "Model",
    "Tokenizer",
    "UserError",
    "__version__",
    "build",
    "compare",
    "encode",
    "evaluate",
    "finetune",
    "ingest",
    "load_collection",
    "load_report",
    "train_tokenizer",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'glotmill' has no attribute {name!r}; it has {', '.join(_MODULES)}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
