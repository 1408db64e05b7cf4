"""Find layouts by their names, which are those of the files in the folder layouts."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from household.core import paths
from household.core.errors import UserError
from household.core.layout import LayoutParams

FOLDER = Path("layouts")
# For a run in another folder.
SHIPPED = paths.in_project(FOLDER)


def resolve(layout: LayoutParams) -> dict[str, Any]:
    """Return a layout with those that it extends, and with the defaults of all other keys.

    Raises:
        UserError: There is no layout of that name, or it is not complete.
    """
    record = layout.model_dump(exclude_unset=True)
    names: list[str] = []
    while name := record.pop("extends", None):
        if name in names:
            raise UserError(f"layouts {', '.join(names)}: each extends another one; break the loop")
        names.append(name)
        base = _read(name)
        merged = {key: base.get(key, {}) | record.get(key, {}) for key in ("columns", "units")}
        record = base | record | merged | {"extends": base.get("extends")}
    complete = _validate(record, f"parse.layout{f' {names[0]}' if names else ''}")
    try:
        complete.check_complete()
    except ValueError as error:
        raise UserError(f"parse.layout: {error}; see docs/meters.md") from None
    return complete.model_dump(exclude={"extends"})


def names() -> list[str]:
    """Return the names of all layouts."""
    files = {path.stem for folder in (FOLDER, SHIPPED) for path in folder.glob("*.yaml")}
    return sorted(files)


def _read(name: str) -> dict[str, Any]:
    """Return the keys that the layout `name` sets."""
    if name not in names():
        raise UserError(
            f"parse.layout: no layout {name!r}; use one of {', '.join(names())} (a queued "
            "experiment only sees files that git knows)"
        )
    path = next(file for folder in (FOLDER, SHIPPED) if (file := folder / f"{name}.yaml").is_file())
    try:
        record = YAML(typ="safe").load(path)
    except (YAMLError, ValueError) as error:
        raise UserError(f"{path} is not YAML: {error}") from None
    return _validate(record, str(path)).model_dump(exclude_unset=True)


def _validate(record: Any, name: str) -> LayoutParams:
    try:
        return LayoutParams.model_validate(record)
    except ValidationError as invalid:
        errors = "; ".join(
            f"{'.'.join(map(str, entry['loc'])) or 'the layout'}: {entry['msg']}"
            for entry in invalid.errors()
        )
        raise UserError(f"{name}: {errors}; correct it (docs/meters.md)") from None
