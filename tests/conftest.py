"""What several tests share: the shipped parameters, changed, and an empty folder to work in."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from household.pipeline import params, paths
from household.pipeline.params import Params

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / paths.PARAMS


def section(record: Any, dotted: str) -> tuple[Any, str]:
    """The section of `record` that holds the key `dotted`, and the key's own name in it."""
    *parents, key = dotted.split(".")
    for parent in parents:
        record = record[parent]
    return record, key


def leaves(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every dotted key of `record` that is no section, with its value, in order."""
    for key, value in record.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def changed(values: Mapping[str, Any]) -> Params:
    """The shipped parameters with others at the keys of `values`, such as "train.epochs"."""
    record = params.load(SHIPPED).model_dump()
    for dotted, value in values.items():
        where, key = section(record, dotted)
        where[key] = value
    return Params.model_validate(record)


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder for the time of the test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
