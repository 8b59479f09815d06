"""Configuration: a TOML file and `--set a.b=value` overrides become one frozen dataclass.

The dataclass has the defaults. An unknown key at any depth is an error that names the nearest known one.
"""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from core.errors import ConfigError, nearest

T = TypeVar("T")


def load(cls: type[T], file: Path | None = None, overrides: Sequence[str] = ()) -> T:
    """Return the configuration in `file`, with the overrides (`key.sub=value`) applied, as a `cls`."""
    return build(cls, merged(read_toml(file) if file else {}, overrides))


def read_toml(file: Path) -> dict[str, Any]:
    """Return the keys and values of a TOML file. Raise ConfigError if it cannot be read."""
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no configuration file at {file}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot read the configuration {file}: {error}") from error


def merged(values: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return a copy of `values` with each `a.b=value` set. A value is TOML, or else a plain string."""
    result = _copy(values)
    for override in overrides:
        path, equals, text = override.partition("=")
        if not equals or not path:
            raise ConfigError(f"--set {override!r}: expected KEY=VALUE, such as filters.max_repetition=0.8")
        *parents, last = path.strip().split(".")
        place = result
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise ConfigError(f"--set {override!r}: {parent!r} is a value, not a section")
        place[last] = _value(text.strip())
    return result


def build(cls: type[T], values: Mapping[str, Any], path: str = "") -> T:
    """Return `values` as a frozen dataclass, with known keys, right types and values within their ranges.

    The annotation of a field gives its range: `Annotated[int, Ge(1)]`, from annotated_types.
    A class with sections whose keys depend on others has a class method `prepared` that makes objects of them first.
    Errors name keys below `path`.

    Raises:
        ConfigError: names the key, its value and what is expected.
    """
    import pydantic

    if not isinstance(values, Mapping):
        raise ConfigError(f"{path.removesuffix('.')} is {values!r}: expected a section with keys and values")
    if prepared := getattr(cls, "prepared", None):
        values = prepared(values)
    _check_keys(cls, values, path)
    try:
        return pydantic.TypeAdapter(cls).validate_python(dict(values))
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        key = path + ".".join(str(part) for part in first["loc"]) or "configuration"
        if first["type"] in _RANGE_ERRORS:
            raise ConfigError(f"{key} is {first['input']}: expected {_range(cls, first['loc'])}") from None
        raise ConfigError(f"{key} = {first['input']!r}: {first['msg']}") from None


_RANGE_ERRORS = ("greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number")
_RANGE_WORDS = {"gt": "more than {}", "ge": "{} or more", "lt": "less than {}", "le": "at most {}"}


def _range(cls: Any, path: Sequence[int | str]) -> str:
    """Return the range of the field at `path` in words, such as "more than 0 and at most 1"."""
    annotation: Any = cls
    for key in path:
        annotation = _within(annotation, key)
    annotation = _options(annotation)[0]
    bounds = typing.get_args(annotation)[1:] if typing.get_origin(annotation) is typing.Annotated else ()
    words = [
        text.format(getattr(bound, name))
        for bound in bounds
        for name, text in _RANGE_WORDS.items()
        if getattr(bound, name, None) is not None
    ]
    return " and ".join(words) or "a finite number"


def _within(annotation: Any, key: int | str) -> Any:
    """Return the annotation of one field, entry or element of a value with this annotation."""
    annotation = _options(annotation)[0]
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if dataclasses.is_dataclass(annotation):
        return typing.get_type_hints(annotation, include_extras=True).get(str(key), Any)
    arguments = typing.get_args(annotation)
    return arguments[1 if len(arguments) == 2 and arguments[1] is not ... else 0] if arguments else Any


def _options(annotation: Any) -> list[Any]:
    """Return the types of a union without None, or the one type."""
    if typing.get_origin(annotation) not in (typing.Union, types.UnionType):
        return [annotation]
    return [option for option in typing.get_args(annotation) if option is not type(None)]


def as_dict(config: Any) -> dict[str, Any]:
    """Return the resolved configuration with plain values, as it goes into a manifest."""
    return dataclasses.asdict(config)


def _copy(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copy(value) if isinstance(value, Mapping) else value for key, value in values.items()}


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _check_keys(annotation: Any, values: Any, path: str) -> None:
    """ConfigError for a key that no dataclass knows. What is of the wrong type altogether is left to pydantic."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        for argument in arguments:  # at most one of them has keys: a section or None, a list of sections or None
            _check_keys(argument, values, path)
    elif isinstance(values, Mapping):
        if dataclasses.is_dataclass(annotation):
            known = typing.get_type_hints(annotation)
            for key, value in values.items():
                if key not in known:
                    close = nearest(key, known)
                    hint = f"did you mean {path}{close[0]}?" if close else f"known here: {', '.join(known)}"
                    raise ConfigError(f"unknown configuration key {path}{key}; {hint}")
                _check_keys(known[key], value, f"{path}{key}.")
        elif len(arguments) == 2:  # sections by name
            for key, value in values.items():
                _check_keys(arguments[1], value, f"{path}{key}.")
    elif arguments and isinstance(values, Sequence):
        for index, value in enumerate(values):
            _check_keys(arguments[0], value, f"{path[:-1]}[{index}].")
