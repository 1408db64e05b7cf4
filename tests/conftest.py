"""What several tests share: the shipped parameters, changed, and an empty folder to work in."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from household.pipeline import params, paths
from household.pipeline.params import Params

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / paths.PARAMS


def tutorial() -> dict[str, Any]:
    """The parameters that `make tutorial` changes, by their dotted keys."""
    lines = (ROOT / "tutorial.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("=") for line in lines if line and not line.startswith("#"))
    return {key: YAML(typ="safe").load(value) for key, value in pairs}


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
