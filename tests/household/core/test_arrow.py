import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from household.core import arrow, paths
from tests.project import ROOT, changed

COLUMNS = [
    pa.chunked_array([[1.5, -2.0], [], [3.25]], pa.float32()),
    pa.chunked_array([[1, 2, 3], [4]], pa.int32())[1:],
    pa.array([0, 60_000, 120_000], pa.timestamp("ms"))[1:],
    pa.chunked_array([[True, False, False] * 5, [True]])[3:],
    pa.chunked_array([], pa.float64()),
    pa.array([], pa.timestamp("ms")),
]


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: str(column.type))
def test_to_numpy_equals_the_conversion_of_pyarrow(column: pa.ChunkedArray | pa.Array) -> None:
    expected = (
        column.to_numpy()
        if isinstance(column, pa.ChunkedArray)
        else column.to_numpy(zero_copy_only=False)
    )
    found = arrow.to_numpy(column)
    assert found.dtype == expected.dtype
    assert np.array_equal(found, expected)
    if not pa.types.is_boolean(column.type):
        assert arrow.from_numpy(found, column.type).to_pylist() == column.to_pylist()


@pytest.mark.parametrize("values", [[], [""], ["a", "", "ü; ", "\r\n"]])
def test_string_array_equals_the_conversion_of_pyarrow(values: list[str]) -> None:
    found = arrow.string_array(values)
    found.validate(full=True)
    assert found.equals(pa.array(values, pa.string()))


def test_times_of_any_shape_become_local() -> None:
    utc = np.array([["2013-03-31T00:30", "2013-03-31T01:30"]] * 3, "datetime64[ms]")
    expected = np.array([["2013-03-31T00:30", "2013-03-31T02:30"]] * 3, "datetime64[ms]")
    assert np.array_equal(arrow.to_local(utc, "Europe/London"), expected)
    assert np.array_equal(arrow.to_local(utc[0], "Europe/London"), expected[0])
    assert arrow.to_local(utc[0, 1], "Europe/London") == expected[0, 1]
    assert arrow.to_local(utc, None) is utc


RUN = """
import importlib, sys
from household.core import params

stage = sys.argv[1]
importlib.import_module(f"stages.{stage}").main(params.load())
assert "pandas" not in sys.modules
"""


def test_no_stage_before_the_training_waits_for_pandas(tmp_path: Path) -> None:
    record = changed({"fetch.sample.days": 2}).model_dump(mode="json", exclude_unset=True)
    (tmp_path / paths.PARAMS).write_text(json.dumps(record))
    for stage in ("fetch", "parse", "window", "split"):
        subprocess.run(
            [sys.executable, "-c", RUN, stage],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            check=True,
        )
