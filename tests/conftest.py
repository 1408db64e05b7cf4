"""What several tests share: the shipped parameters, changed, and an empty folder to work in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from household.pipeline import params, paths
from household.pipeline.params import Params

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / paths.PARAMS


def changed(values: Mapping[str, Any]) -> Params:
    """The shipped parameters with others at the keys of `values`, such as "train.epochs"."""
    record = params.load(SHIPPED).model_dump()
    for key, value in values.items():
        *sections, name = key.split(".")
        section = record
        for each in sections:
            section = section[each]
        section[name] = value
    return Params.model_validate(record)


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder for the time of the test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
