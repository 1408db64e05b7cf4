"""Read recipes, which are named sets of settings in the folder recipes, and settings as typed."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from household.core import paths
from household.core.errors import UserError

FOLDER = paths.in_project(Path("recipes"))


def read(name: str) -> dict[str, Any]:
    """Return the settings of a recipe, by their dotted names such as window.horizon.

    Raises:
        UserError: There is no recipe of that name.
    """
    known = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    if name not in known:
        raise UserError(f"no recipe {name!r}; use one of {', '.join(known)}")
    return dict(YAML(typ="safe").load(FOLDER / f"{name}.yaml"))


def parse_settings(texts: Iterable[str]) -> dict[str, Any]:
    """Return settings such as train.units=[32] by their dotted names.

    Raises:
        UserError: A text is none.
    """
    settings = {}
    for text in texts:
        name, equals, value = text.partition("=")
        try:
            settings[name] = YAML(typ="safe").load(value)
        except (YAMLError, ValueError):
            equals = ""
        if not name or not equals:
            raise UserError(f"{text}: write a setting as KEY=VALUE, such as train.epochs=3")
    return settings


def nest(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by section and key, such as {"train": {"epochs": 3}}."""
    nested: dict[str, Any] = {}
    for dotted, value in settings.items():
        *sections, key = dotted.split(".")
        node = nested
        for section in sections:
            node = node.setdefault(section, {})
            if not isinstance(node, dict):
                raise UserError(f"{dotted}: {section} is set twice, as a value and as a section")
        node[key] = value
    return nested
