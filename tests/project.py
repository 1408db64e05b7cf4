"""The project that is tested: its folder, and its parameters with other values."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from household.app import recipes
from household.core import params, paths
from household.core.params import Params

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / paths.PARAMS
# Options of `household run` with which it takes a second or two.
SMALL_RUN = (
    "--set=fetch.sample.days=1",
    "--set=train.ensemble_size=1",
    "--set=train.units=[3]",
    "--set=train.epochs=1",
)


def recipe(name: str) -> dict[str, Any]:
    """Return the parameters that a recipe changes, by their dotted keys."""
    return recipes.read(name)


def tutorial() -> dict[str, Any]:
    """Return the parameters that `make tutorial` changes, by their dotted keys."""
    return recipe("tutorial")


def section(record: Any, dotted: str) -> tuple[Any, str]:
    """Return the section of `record` that holds the key `dotted`, and the key's name in it."""
    *parents, key = dotted.split(".")
    for parent in parents:
        record = record[parent]
    return record, key


def leaves(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every dotted key of `record` that is no section, with its value, in order."""
    for key, value in record.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def changed(values: Mapping[str, Any]) -> Params:
    """Return the shipped parameters with other `values`, by keys such as "train.epochs"."""
    record = params.load(SHIPPED).model_dump(exclude_unset=True)
    for dotted, value in values.items():
        where, key = section(record, dotted)
        where[key] = value
    return Params.model_validate(record)
