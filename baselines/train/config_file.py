"""Settings from a config file: a TOML, YAML or JSON table of flags."""

from __future__ import annotations

import reprlib
import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from baselines.train.config import TrainConfig
from ccpo_env.errors import unknown_name
from ccpo_env.strict_json import decoded, parse, unique_keys

SETTINGS = frozenset(field.name for field in fields(TrainConfig)) - {"config", "preset", "resume"}
"""Settings allowed in a config file."""

SHORT = reprlib.Repr()
"""Shows the start of a value: one of a few lines of YAML may have billions of parts."""
SHORT.maxlevel, SHORT.maxstring = 2, 80


def read_settings(path: Path) -> Mapping[str, Any]:
    """Return the settings in a TOML, YAML or JSON file.

    Args:
        path: File, whose extension gives the format; names are those of the flags, with - or _.

    Raises:
        ValueError: If the file cannot be parsed, is not a table of settings, or has an unknown
            name.
    """
    settings = _parse(path)
    if not isinstance(settings, dict):
        raise ValueError(
            f"config must be a table of settings, got {type(settings).__name__} in {path}; write "
            f"lines such as: group_size = 8"
        )
    named = {str(name).replace("-", "_"): value for name, value in settings.items()}
    for name in named:
        if name not in SETTINGS:
            raise unknown_name("setting", name, SETTINGS, of=str(path))
    return named


def _parse(path: Path) -> object:
    try:
        text = decoded(path.read_bytes())
        if path.suffix == ".toml":
            return tomllib.loads(text)
        if path.suffix == ".json":
            return parse(text)
        if path.suffix in (".yaml", ".yml"):
            return _parse_yaml(text)
    except OSError as error:
        raise ValueError(
            f"config must be a readable file, got {path} ({error.strerror}); check --config"
        ) from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"config must be valid {path.suffix[1:]}, got {path}: {error}") from None
    raise ValueError(f"config must end in .toml, .yaml or .json, got {path}; rename the file")


def _parse_yaml(text: str) -> object:
    try:
        import yaml
    except ImportError:
        raise ImportError(
            "a YAML config must be read with PyYAML, got no such package; run: pip install pyyaml"
        ) from None

    class Unique(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            unique_keys([(str(key.value), None) for key, _ in node.value])
            return super().construct_mapping(node, deep)  # type: ignore[no-untyped-call]

    try:
        return yaml.load(text, Unique)  # type: ignore[no-untyped-call]
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def with_settings(config: TrainConfig, settings: Mapping[str, Any]) -> TrainConfig:
    """Return a config updated from the settings in a file, where hyperparameters may be numbers.

    Raises:
        ValueError: If a value has the wrong type.
    """
    values = dict(settings)
    for name in ("allocator_args", "optimizer_args"):
        if isinstance(values.get(name), dict):
            values[name] = {str(key): str(value) for key, value in values[name].items()}
    if isinstance(values.get("out_dir"), str):
        values["out_dir"] = Path(values["out_dir"])
    types = get_type_hints(TrainConfig, include_extras=False)
    for name, value in values.items():
        values[name] = _checked(name, value, types[name])
    return replace(config, **values)


def _checked(name: str, value: Any, kind: Any) -> Any:
    """Return a value from a file in the type of its field; raise ValueError otherwise."""
    allowed = get_args(kind) if get_origin(kind) is UnionType else (kind,)
    origins = {get_origin(one) or one for one in allowed}
    if get_origin(kind) is Literal:
        is_right = value in get_args(kind)
    elif tuple in origins and isinstance(value, list | tuple):
        return tuple(_checked(name, entry, get_args(kind)[0]) for entry in value)
    elif dict in origins and isinstance(value, dict):
        entries = {str(key): entry for key, entry in value.items()}
        return {
            key: _checked(f"{name} of {key}", entries[key], get_args(kind)[1]) for key in entries
        }
    elif float in origins and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    else:
        is_right = type(value) in origins or isinstance(value, Path)
    if not is_right:
        wanted = getattr(kind, "__name__", str(kind))
        raise ValueError(
            f"{name} must be of type {wanted}, got {SHORT.repr(value)}; write it as its flag "
            f"takes it"
        )
    return value
