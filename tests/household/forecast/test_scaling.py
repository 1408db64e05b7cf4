import numpy as np
import pyarrow as pa
import pytest

from household.forecast import scaling
from household.forecast.windows import Shape

COLUMNS = [
    pa.chunked_array([column], pa.float32())
    for column in ([1, 2, 3, 4], [10, 20, 30, 40], [5, 5, 5, 5])
]
BOTH, FIRST = np.array([1, 0], np.int32), np.array([0], np.int32)


def test_each_feature_is_measured_in_the_windows_that_count() -> None:
    center, scale = scaling.measure(COLUMNS, FIRST, BOTH, Shape(2, 1))
    assert center.tolist() == [2, 20, 5]
    assert scale.tolist() == pytest.approx(
        [np.std([1, 2, 3, 2, 3, 4]), np.std([10, 20, 30, 20, 30, 40]), 1]
    )


def test_no_windows_leave_the_readings_as_they_are() -> None:
    center, scale = scaling.measure(COLUMNS, None, None, Shape(2, 1))
    assert center.tolist() == [0, 0, 0]
    assert scale.tolist() == [1, 1, 1]
