"""What a model says of readings, from wherever they are, and of those that it cannot use."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import household
from household.app.forecaster import Forecaster
from household.app.input import read_readings, validate
from household.core import schema, step
from household.core.errors import UserError
from household.core.schema import TARGET
from household.dataset.inputs import InputReader
from household.model import inference, saved_model
from household.readings import archive
from tests.household.app.small_model import LOOKBACK, MINUTE, model, readings, seal

HEADER = "timestamp,global_active_power,voltage\n"
ENDS = ["low_80_kw", "high_80_kw", "low_95_kw", "high_95_kw"]
few = settings(max_examples=20, deadline=None)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a small model three minutes ahead, which no test changes."""
    return model(tmp_path_factory.mktemp("lstm"), horizon=3)


@pytest.fixture(scope="session")
def forecaster(model_folder: Path) -> Forecaster:
    """Load the small model."""
    return Forecaster(model_folder)


def expected(model_folder: Path, table: pa.Table) -> list[float]:
    """Return the network's forecast after the last minutes of `table`."""
    session = inference.load_session(model_folder / "model.onnx")
    columns = saved_model.load(model_folder).columns
    reader = InputReader(inference.window_shape(session), columns, step.MINUTE)
    last = np.array([table.num_rows - LOOKBACK], np.int32)
    return inference.predict(session, reader.of_table(table), last).mean[0].tolist()


def test_a_forecast_is_of_the_minutes_after_the_last_reading(
    model_folder: Path, forecaster: Forecaster
) -> None:
    table = readings(50)
    found = forecaster.forecast(table)
    last = table["timestamp"][-1].as_py()
    assert found["timestamp"].to_pylist() == [last + step * MINUTE.item() for step in (1, 2, 3)]
    assert found["mean_kw"].to_pylist() == expected(model_folder, table)
    assert found.column_names == ["timestamp", "step", "mean_kw", "median_kw", *ENDS]
    names = ("low_95_kw", "low_80_kw", "median_kw", "high_80_kw", "high_95_kw")
    ends = [found[name].to_numpy() for name in names]
    assert np.all(np.diff(ends, axis=0) >= 0)
    assert np.all(ends[-1] > ends[0])
    asked = forecaster.forecast(table, quantiles=[0.05, 0.5, 0.975])
    columns = ["q0.05_kw", "q0.5_kw", "q0.975_kw"]
    assert asked.column_names == ["timestamp", "step", "mean_kw", *columns]
    assert asked["q0.5_kw"].to_pylist() == found["median_kw"].to_pylist()
    assert asked["q0.975_kw"].to_pylist() == found["high_95_kw"].to_pylist()


def test_a_quantile_that_the_model_does_not_forecast_is_refused(
    forecaster: Forecaster, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"no quantile 0\.07; the model forecasts those of 0\.01, "):
        forecaster.forecast(readings(50), quantiles=[0.1, 0.07])
    point = Forecaster(model(tmp_path, params={"train.loss": "huber"}))
    with pytest.raises(UserError, match=r"no quantile 0\.5; the model forecasts none "):
        point.backtest(readings(50), quantiles=[0.5])


def test_the_intervals_of_a_backtest_have_their_coverage(forecaster: Forecaster) -> None:
    found = forecaster.backtest(readings(5000, seed=7)).to_pandas()
    for level in (80, 95):
        held = found["actual_kw"].between(found[f"low_{level}_kw"], found[f"high_{level}_kw"])
        # Calibrated on 100 windows that overlap.
        assert 100 * held.mean() == pytest.approx(level, abs=8)


def test_a_model_of_another_loss_has_one_forecast(tmp_path: Path) -> None:
    model(tmp_path, params={"train.loss": "huber"})
    found = Forecaster(tmp_path).forecast(readings(30))
    assert found.column_names == ["timestamp", "forecast_kw"]


@few
@given(st.integers(LOOKBACK + 4, 60), st.integers(0, 9))
def test_a_backtest_gives_what_was_forecast_at_each_minute(
    forecaster: Forecaster, minutes: int, seed: int
) -> None:
    table = readings(minutes, seed)
    power = table["global_active_power"].to_numpy()
    found = forecaster.backtest(table).to_pylist()
    assert len(found) == 3 * (minutes - LOOKBACK - 3)
    for place in range(0, len(found), 3):
        rows = found[place : place + 3]
        now = place // 3 + LOOKBACK
        alone = forecaster.forecast(table.slice(0, now)).to_pylist()
        assert [row["step"] for row in rows] == [1, 2, 3]
        assert [row["timestamp"] for row in rows] == [row["timestamp"] for row in alone]
        assert [row["mean_kw"] for row in rows] == pytest.approx(
            [row["mean_kw"] for row in alone], abs=1e-5
        )
        assert [row["actual_kw"] for row in rows] == power[now : now + 3].tolist()
        assert [row["persistence_kw"] for row in rows] == [power[now - 1]] * 3


def uci(table: pa.Table) -> bytes:
    """Return the minutes as UCI writes them, with 1 in missing columns."""
    lines = [";".join(schema.HEADER)]
    for row in table.to_pylist():
        values = [f"{row.get(name, 1):.3f}" for name in schema.NAMES]
        lines.append(";".join([f"{row['timestamp']:%d/%m/%Y;%H:%M:%S}", *values]))
    return "\n".join(lines).encode() + b"\n"


def zipped(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as written:
        written.writestr(archive.TEXT_NAME, uci(table))
    return buffer.getvalue()


def csv(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    # In another order, and with a column that the model does not take.
    more = table.append_column("outside", pa.array(["warm"] * table.num_rows))
    pa.csv.write_csv(more.select(["voltage", "outside", *table.column_names[:2]]), buffer)
    return buffer.getvalue()


def parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("written", [uci, zipped, csv, parquet])
@pytest.mark.parametrize("stdin", [False, True])
def test_readings_may_be_in_any_of_these_layouts(
    model_folder: Path,
    forecaster: Forecaster,
    written: Callable[[pa.Table], bytes],
    stdin: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = readings(30)
    path = tmp_path / "readings"
    path.write_bytes(written(table))
    if stdin:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    found = forecaster.forecast(forecaster.read("-" if stdin else str(path)))
    assert found["mean_kw"].to_pylist() == pytest.approx(expected(model_folder, table), abs=1e-5)


@pytest.mark.parametrize(
    "text",
    [
        "2007-03-31 21:58",
        "2007-03-31T21:58:00",
        "2007-03-31T21:58:00Z",
        "2007-03-31 21:58:00.000",
        "2007-03-31 21:58:00.5-03:30",
        "2007-03-31T21:58+0200",
        "2007-03-31T21:58:00+02",
    ],
)
def test_times_may_be_written_in_several_ways(text: str, tmp_path: Path) -> None:
    begin = pd.Timestamp(text).floor("min")
    rows = [text[:14] + f"{58 + minute}" + text[16:] for minute in (0, 1)]
    path = tmp_path / "readings.csv"
    path.write_text(f"timestamp,{TARGET}\n" + "".join(f"{row},1\n" for row in rows))
    stamps = read_readings(str(path), [TARGET], step.MINUTE)["timestamp"]
    assert stamps.to_pylist() == [begin, begin + MINUTE]
    assert (stamps.type.tz is None) == (begin.tzinfo is None)


def test_predict_takes_and_returns_a_dataframe(model_folder: Path) -> None:
    table = readings(30)
    frame = table.to_pandas()
    found = household.predict(model_folder, frame)
    assert found["mean_kw"].tolist() == expected(model_folder, table)
    assert found.index[0] == frame["timestamp"].iloc[-1] + MINUTE
    assert household.predict(model_folder, frame.set_index("timestamp")).equals(found)
    zoned = frame.set_index("timestamp").tz_localize("Europe/Paris")
    assert household.predict(model_folder, zoned).equals(found.tz_localize("Europe/Paris"))


def without(table: pa.Table, *rows: int) -> pa.Table:
    return table.take([row for row in range(table.num_rows) if row not in rows])


def scaled(table: pa.Table, name: str, factor: float) -> pa.Table:
    values = pa.array(table[name].to_numpy() * np.float32(factor))
    return table.set_column(table.column_names.index(name), name, values)


def unknown(table: pa.Table, name: str, row: int) -> pa.Table:
    values = table[name].to_pylist()
    values[row] = None
    return table.set_column(table.column_names.index(name), name, pa.array(values, pa.float32()))


def slower(table: pa.Table, factor: int) -> pa.Table:
    begin = table["timestamp"][0].as_py()
    stamps = [begin + factor * (stamp - begin) for stamp in table["timestamp"].to_pylist()]
    return table.set_column(0, "timestamp", pa.array(stamps, pa.timestamp("ms")))


FAULTS: dict[str, tuple[Callable[[pa.Table], pa.Table], str]] = {
    "too few": (lambda table: table.slice(0, 4), "4 minutes; the model reads the last 5"),
    "none": (lambda table: table.slice(0, 0), "no readings"),
    "a gap": (
        lambda table: without(table, 27),
        "no reading between 2007-03-31 22:24 and 2007-03-31 22:26; the model reads 5 minutes in a "
        "row, up to 2007-03-31 22:27",
    ),
    "a minute without a value": (
        lambda table: unknown(table, "voltage", 27),
        "minute 2007-03-31 22:25 has no value; the model reads 5 minutes in a row",
    ),
    "watts": (
        lambda table: scaled(table, "global_active_power", 1000),
        "global_active_power is at most .*, but .* to .* kW in training; convert it to kW",
    ),
    "kilovolts": (
        lambda table: scaled(table, "voltage", 0.001),
        "voltage is at most .*, but .* to .* V in training; convert it to V",
    ),
    "unsorted": (
        lambda table: table.take([*range(10), 11, 10, *range(12, 30)]),
        "2007-03-31 22:08 after 2007-03-31 22:09: not in time order; sort the readings",
    ),
    "twice": (lambda table: table.take([*range(30), 29]), "2007-03-31 22:27 duplicate"),
    "hours": (lambda table: slower(table, 60), "readings are 3600 seconds apart"),
}


@pytest.mark.parametrize(("fault", "reason"), FAULTS.values(), ids=FAULTS.keys())
def test_unusable_readings_are_refused_in_one_line(
    forecaster: Forecaster, fault: Callable[[pa.Table], pa.Table], reason: str
) -> None:
    with pytest.raises(UserError, match=f"mine.csv: {reason}") as told:
        forecaster.forecast(fault(readings(30)), "mine.csv")
    assert "\n" not in str(told.value)


def test_readings_before_the_lookback_may_have_gaps(
    model_folder: Path, forecaster: Forecaster
) -> None:
    table = readings(30)
    found = forecaster.forecast(without(unknown(table, "voltage", 20), 24))
    assert found["mean_kw"].to_pylist() == expected(model_folder, without(table, 20, 24))


def test_a_model_with_across_gaps_forecasts_after_a_gap(tmp_path: Path) -> None:
    joins: dict[str, Any] = {"window.across_gaps": True}
    joining = Forecaster(model(tmp_path, params=joins))
    table = readings(30)
    found = joining.forecast(without(table, 27))
    assert found["mean_kw"].to_pylist() == expected(tmp_path, without(table, 27))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (
            "timestamp,power\n2007-03-31 21:58,1\n",
            "no column global_active_power, voltage; .* found timestamp, power",
        ),
        (
            "timestamp;global_active_power;voltage\n",
            "expected commas between the fields of the header, found ';' in 'timestamp;",
        ),
        (HEADER + "noon,1,2\n", "line 2: the time is not written like 2007-03-31 23:59"),
        (
            HEADER + "2007-03-31 21:58,many,2\n",
            "line 2: a value is neither a number",
        ),
        (HEADER + "2007-03-31 21:58,1,2,3\n", "line 2: 4 fields, expected 3"),
        ("PK\x03\x04 and nothing", "truncated or damaged zip"),
        ("PAR1 and nothing", "truncated or damaged Parquet file"),
        ("Date;Time;Power\n", "expected Date;Time;Global_active_power"),
        (
            ";".join(schema.HEADER) + "\n1/1/2007;00:00:00;1\n",
            "line 2: 3 fields, .*; correct the line$",
        ),
    ],
)
def test_a_file_without_readings_is_refused_in_one_line(
    forecaster: Forecaster, text: str, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine"
    path.write_text(text)
    with pytest.raises(UserError, match=f"mine.*{reason}"):
        forecaster.read(str(path))


def test_parquet_in_another_unit_is_refused(forecaster: Forecaster, tmp_path: Path) -> None:
    table = readings(30)
    watts = table.schema.field("global_active_power").with_metadata({"unit": "W"})
    pq.write_table(table.cast(table.schema.set(1, watts)), tmp_path / "mine")
    with pytest.raises(UserError, match="global_active_power is in W; the model needs kW"):
        forecaster.read(str(tmp_path / "mine"))


def test_a_folder_without_a_model_is_refused_in_one_line(
    tmp_path: Path, model_folder: Path
) -> None:
    with pytest.raises(UserError, match=r"no metadata.json in .*; use the output folder"):
        Forecaster(tmp_path)
    (tmp_path / "metadata.json").write_bytes((model_folder / "metadata.json").read_bytes())
    (tmp_path / "model.onnx").write_bytes(b"nothing")
    seal(tmp_path)
    with pytest.raises(UserError, match="not a model"):
        Forecaster(tmp_path)


def test_watts_are_refused_of_a_household_that_has_fed_into_the_grid() -> None:
    table = readings(9)
    ranges = {"global_active_power": (-0.5, 3.0), "voltage": (0.0, 250.0)}
    validate(table, "mine.csv", ranges, step.MINUTE)
    watts = pc.multiply(table["global_active_power"], 1000.0).cast(pa.float32())
    with pytest.raises(UserError, match=r"^mine\.csv: global_active_power is at most .* to kW$"):
        validate(table.set_column(1, "global_active_power", watts), "mine.csv", ranges, step.MINUTE)
