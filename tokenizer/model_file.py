"""The model file of SentencePiece: read, changed, written.

SentencePiece brings classes for it that work with one version of protobuf only. The few fields that matter here are
said again; all others are kept as they are.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Final

from core.errors import MissingDependencyError, SourceError

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
UNIGRAM, BPE = 1, 2

_PIECE: Final = (("piece", 1, "string", ""), ("score", 2, "float", ""), ("type", 3, "int32", "1"))
_TRAINER: Final = (
    ("model_type", 3, "int32", "1"),
    ("vocab_size", 4, "int32", "8000"),
    ("split_digits", 25, "bool", "false"),
    ("user_defined_symbols", 31, "string", "*"),
    ("byte_fallback", 35, "bool", "false"),
    ("unk_id", 40, "int32", "0"),
    ("bos_id", 41, "int32", "1"),
    ("eos_id", 42, "int32", "2"),
    ("pad_id", 43, "int32", "-1"),
    ("pad_piece", 48, "string", "<pad>"),
)
_NORMALIZER: Final = (
    ("name", 1, "string", ""),
    ("precompiled_charsmap", 2, "bytes", ""),
    ("add_dummy_prefix", 3, "bool", "true"),
    ("remove_extra_whitespaces", 4, "bool", "true"),
    ("escape_whitespaces", 5, "bool", "true"),
)


@functools.cache
def _message() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    field = descriptor_pb2.FieldDescriptorProto
    kinds = {
        "string": field.TYPE_STRING,
        "float": field.TYPE_FLOAT,
        "int32": field.TYPE_INT32,
        "bool": field.TYPE_BOOL,
        "bytes": field.TYPE_BYTES,
    }
    file = descriptor_pb2.FileDescriptorProto(name="glotmill/model.proto", package="glotmill", syntax="proto2")
    for name, columns in (("Piece", _PIECE), ("Trainer", _TRAINER), ("Normalizer", _NORMALIZER)):
        message = file.message_type.add(name=name)
        for label, number, kind, default in columns:
            many = default == "*"
            message.field.add(
                name=label,
                number=number,
                type=kinds[kind],
                label=field.LABEL_REPEATED if many else field.LABEL_OPTIONAL,
                **({"default_value": default} if default and not many else {}),
            )
    model = file.message_type.add(name="Model")
    for label, number, kind in (
        ("pieces", 1, "Piece"),
        ("trainer_spec", 2, "Trainer"),
        ("normalizer_spec", 3, "Normalizer"),
    ):
        model.field.add(
            name=label,
            number=number,
            type=field.TYPE_MESSAGE,
            label=field.LABEL_REPEATED if label == "pieces" else field.LABEL_OPTIONAL,
            type_name=f".glotmill.{kind}",
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("glotmill.Model"))


def new() -> Any:
    """An empty model."""
    return _message()()


def copy(model: Any) -> Any:
    """A model like the given one, to be changed."""
    other = new()
    other.CopyFrom(model)
    return other


def parse(content: bytes, name: str = "model") -> Any:
    """The model in the bytes of a model file; SourceError where they are none."""
    from google.protobuf.message import DecodeError

    model = new()
    try:
        model.ParseFromString(content)
    except DecodeError as error:
        raise SourceError(f"{name} is no SentencePiece model: {error}") from None
    if not model.pieces:
        raise SourceError(f"{name} is no SentencePiece model: it has no pieces")
    return model


def read(path: Path) -> Any:
    """The model in a file; SourceError where it cannot be read or is none."""
    try:
        return parse(path.read_bytes(), str(path))
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error


def without_symbols(model: Any) -> Any:
    """The same pieces with the same ids, but that no symbol is found: `<extra_id_0>` in a text is text."""
    other = copy(model)
    for piece in other.pieces:
        if piece.type == USER_DEFINED:
            piece.type = UNUSED
    return other


def processor(model: Any) -> Any:
    """A SentencePieceProcessor of the model."""
    return sentencepiece().SentencePieceProcessor(model_proto=model.SerializeToString(deterministic=True))


def verbatim(model: Any) -> Any:
    """A processor that takes text as it is: words come normalised, and pieces are no text."""
    plain = copy(model)
    plain.normalizer_spec.precompiled_charsmap = b""
    plain.normalizer_spec.add_dummy_prefix = False
    plain.normalizer_spec.remove_extra_whitespaces = False
    return processor(plain)


def sentencepiece() -> Any:
    """The library, or MissingDependencyError."""
    try:
        import sentencepiece as library
    except ImportError as error:
        raise MissingDependencyError("sentencepiece", "tokenizer", "a tokenizer") from error
    return library
