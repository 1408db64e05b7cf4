"""What params.yaml may hold, and what is said of one that is broken."""

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from dvc.utils.serialize import modify_yaml
from pydantic import BaseModel
from ruamel.yaml import YAML

from household.core import params, schema
from household.core.errors import UserError
from household.core.layout import LayoutParams
from household.core.renamed import RENAMED
from household.core.schema import TARGET
from tests.project import SHIPPED, leaves, section


def shipped() -> dict[str, Any]:
    values: dict[str, Any] = YAML(typ="safe").load(SHIPPED)
    return values


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for key, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel) and kind is not LayoutParams:
            yield from fields(kind, f"{prefix}{key}.")
        else:
            yield prefix + key


ALL = tuple(fields(params.Params))
SECTIONS = sorted({name.rpartition(".")[0] for name in ALL} - {""})


def load(folder: Path, values: Any) -> params.Params:
    path = folder / "params.yaml"
    YAML(typ="safe").dump(values, path)
    return params.load(path)


def load_with(folder: Path, dotted: str, value: Any) -> params.Params:
    values = shipped()
    if dotted.startswith("parse.layout."):
        values["parse"]["layout"] = {"extends": "uci", "columns": {}}
    where, key = section(values, dotted)
    where[key] = value
    return load(folder, values)


def load_text(folder: Path, old: str, new: str) -> params.Params:
    text = SHIPPED.read_text(encoding="utf-8")
    assert old in text
    path = folder / "params.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return params.load(path)


def value_at(loaded: params.Params, dotted: str) -> Any:
    value: Any = loaded
    for key in dotted.split("."):
        value = getattr(value, key)
    return value


def test_the_shipped_file_loads_as_it_is_written() -> None:
    loaded = params.load(SHIPPED)
    for dotted, value in leaves(shipped()):
        found = value_at(loaded, dotted)
        if dotted == "parse.layout":
            assert found == LayoutParams(extends=value)
        elif dotted == "fetch.sample.start":
            assert found == dt.date.fromisoformat(str(value))
        else:
            assert found == value


def test_the_shipped_file_has_the_models_keys_in_the_models_order() -> None:
    assert [dotted for dotted, _ in leaves(shipped())] == list(ALL)


def test_the_shipped_file_is_written_as_dvc_writes_it(tmp_path: Path) -> None:
    """So that an experiment changes one line, and not the style of the others."""
    copy = tmp_path / "params.yaml"
    copy.write_bytes(SHIPPED.read_bytes())
    with modify_yaml(copy) as values:
        values["train"]["units"] = list(values["train"]["units"])
        values["seed"] = int(values["seed"])
    assert copy.read_bytes() == SHIPPED.read_bytes()


def test_loaded_parameters_cannot_be_changed() -> None:
    loaded = params.load(SHIPPED)
    with pytest.raises(ValueError, match="frozen"):
        loaded.seed = 1


@pytest.mark.parametrize("dotted", [*ALL, *SECTIONS])
def test_a_missing_key_is_named(tmp_path: Path, dotted: str) -> None:
    values = shipped()
    where, key = section(values, dotted)
    del where[key]
    with pytest.raises(UserError) as caught:
        load(tmp_path, values)
    path = tmp_path / "params.yaml"
    assert str(caught.value) == f"{path}: {dotted}: Field required; correct it and run again"


@pytest.mark.parametrize("dotted", ["epochs", *(f"{name}.epoch" for name in SECTIONS)])
def test_an_unknown_key_is_named(tmp_path: Path, dotted: str) -> None:
    with pytest.raises(UserError) as caught:
        load_with(tmp_path, dotted, "many")
    said = str(caught.value)
    assert f": {dotted}: " in said
    assert "found 'many'" in said
    assert "\n" not in said


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_the_former_name_of_a_key_gives_the_new_one(tmp_path: Path, old: str, new: str) -> None:
    assert old not in ALL
    assert new in ALL or new.startswith("parse.layout.")
    with pytest.raises(UserError, match=rf": {old} is now {new}; rename them, with the values "):
        load_with(tmp_path, old, 1)


@pytest.mark.parametrize("dotted", [*ALL, *SECTIONS])
def test_an_unknown_key_is_refused_in_each_mapping(tmp_path: Path, dotted: str) -> None:
    with pytest.raises(UserError, match=rf": {re.escape(dotted)}[:.]") as caught:
        load_with(tmp_path, dotted, {"x": 1})
    assert "\n" not in str(caught.value)


# One of each type that YAML has.
OF_EACH_TYPE = [True, 7, 0.5, "text", None, [1], {"x": 1}, dt.date(2006, 12, 16), b"bytes"]
MAY_BE_NULL = {
    *("fetch.sha256", "train.global_clip_norm", "train.patience"),
    *("train.warm_start", "evaluate.previous_model"),
}
SHIPPED_AS_NULL: dict[str, type] = {
    "fetch.sha256": str, "train.patience": int, "train.warm_start": str,
    "evaluate.previous_model": str,
}  # fmt: skip


def types(dotted: str) -> set[type]:
    """Those that a value at that key may have."""
    if dotted == "parse.layout":
        return {str, dict}
    allowed = {SHIPPED_AS_NULL.get(dotted, type(value_at(params.load(SHIPPED), dotted)))}
    if allowed == {float}:
        allowed.add(int)
    if dotted in MAY_BE_NULL:
        allowed.add(type(None))
    return allowed | ({str} if dotted == "fetch.sample.start" else set())


@pytest.mark.parametrize("value", OF_EACH_TYPE, ids=repr)
def test_every_key_with_a_value_of_another_type_is_named(tmp_path: Path, value: Any) -> None:
    values = shipped()
    for dotted in ALL:
        where, key = section(values, dotted)
        where[key] = value
    with pytest.raises(UserError) as caught:
        load(tmp_path, values)
    said = str(caught.value)
    # Of those in a list, or in a mapping where there should be none, the key has another after it.
    named = [dotted for dotted in ALL if f" {dotted}: " in said or f" {dotted}." in said]
    assert {dotted for dotted in ALL if type(value) not in types(dotted)} <= set(named)
    assert "\n" not in said


@pytest.mark.parametrize("dotted", SECTIONS)
def test_a_section_cannot_be_a_list(tmp_path: Path, dotted: str) -> None:
    with pytest.raises(UserError, match=rf": {re.escape(dotted)}: "):
        load_with(tmp_path, dotted, [1])


# Of which any value of the right type is right.
ANY = {
    *("parse.layout", "split.purge", "train.difference_inputs", "evaluate.lightgbm"),
}
BROKEN = [
    # Out of range.
    ("seed", -1),
    ("seed", 2**32),
    ("fetch.source", ""),
    ("fetch.source", []),
    ("fetch.source", ["sample", ""]),
    ("fetch.source", ["sample", 1]),
    ("fetch.one_meter_per_file", "two"),
    ("fetch.sample.seed", -1),
    ("fetch.sample.meters", 0),
    ("split.holdout_meters", 1.0),
    ("fetch.sample.days", 0),
    ("fetch.sample.days", -1.5),
    ("fetch.sample.days", 50_001),
    ("fetch.sample.start", "16/12/2006"),
    ("fetch.sample.start", "1899-12-31"),
    ("fetch.sample.start", "2201-01-01"),
    ("on_error", "ignore"),
    ("train.warm_start", ""),
    ("evaluate.previous_model", ""),
    ("evaluate.origin", "6:00"),
    ("evaluate.origin", "24:00"),
    ("window.lookback", 0),
    ("window.features", []),
    ("window.across_gaps", "merge"),
    ("window.profile_days", 0),
    ("window.lag_days", [0]),
    ("window.lag_days", [1, 1]),
    ("window.calendar", ["month"]),
    ("window.country", "France"),
    ("window.known_ahead", ["voltage"]),
    ("window.known_ahead", ["price", "price"]),
    ("window.calendar", ["hour", "hour"]),
    ("train.burn_in", -1),
    ("train.head_units", []),
    ("window.use_fraction", 0),
    ("window.use_fraction", 1.0001),
    ("scaling.center", "mean"),
    ("split.train_fraction", 0),
    ("split.train_fraction", 1),
    ("split.validation_fraction", -0.1),
    ("split.validation_fraction", 1),
    ("split.validation_sample", "head"),
    ("train.ensemble_size", 0),
    ("train.units", []),
    ("train.dropout", -0.1),
    ("train.dropout", 1),
    ("train.loss", "rmse"),
    ("train.optimizer", "RMSprop"),
    ("train.learning_rate", 0),
    ("train.learning_rate", float("nan")),
    ("train.learning_rate", float("inf")),
    ("train.batch_size", 0),
    ("scaling.scale", "all"),
    ("train.difference_inputs", "yes"),
    ("train.target", "power"),
    ("train.loss_at", "minute"),
    ("train.chunk_length", 0),
    ("train.quantiles", []),
    ("train.quantiles", [0.025, 0.1, 0.5, 0.9, 0.95, 0.975]),
    ("train.quantiles", [0.025, 0.1, 0.1, 0.5, 0.9, 0.9, 0.975]),
    ("train.quantiles", [0.025, 0.5, 0.1, 0.9, 0.975]),
    ("train.quantiles", [0.1, 0.5, 0.9]),
    ("train.mean_weight", -0.1),
    ("train.huber_delta", 0),
    ("train.lr_schedule", "linear"),
    ("train.global_clip_norm", 0),
    ("train.patience", 0),
    ("train.epochs", 0),
    ("plot.steps", 1),
    ("plot.steps", 5_001),
    ("plot.start", "last"),
    ("window.horizon", 0),
    ("window.horizon", 1_441),
    ("parse.step", "7min"),
    ("parse.step", 30),
    # No sha256 in lower-case hex.
    ("fetch.sha256", ""),
    ("fetch.sha256", "0" * 63),
    ("fetch.sha256", "0" * 65),
    ("fetch.sha256", "0" * 63 + "g"),
    ("fetch.sha256", "A" * 64),
    ("fetch.sha256", "0" * 64 + "\n"),
    ("fetch.sha256", "sha256:" + "0" * 57),
    # Not features, or not in an order that has a target.
    ("window.features", [TARGET, TARGET]),
    ("window.features", [TARGET, "voltage", "voltage"]),
    ("window.features", ["voltage", TARGET]),
    ("window.features", ["voltage"]),
]


@pytest.mark.parametrize(
    ("dotted", "value"), BROKEN, ids=[f"{dotted}={value!r}" for dotted, value in BROKEN]
)
def test_a_bad_value_is_named_and_shown(tmp_path: Path, dotted: str, value: Any) -> None:
    with pytest.raises(UserError) as caught:
        load_with(tmp_path, dotted, value)
    said = str(caught.value)
    # Of a list it is the entry that is named.
    start = f"{tmp_path / 'params.yaml'}: {dotted}"
    assert said.startswith((f"{start}: ", f"{start}.0: "))
    found = value[0] if said.startswith(f"{start}.0: ") else value
    assert said.endswith(f", found {found!r}; correct it and run again")
    assert "\n" not in said


def test_every_key_with_a_range_is_tried_out_of_it() -> None:
    assert {dotted for dotted, _ in BROKEN} | ANY == set(ALL)


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "50"])
def test_a_bad_layer_is_named_by_its_place(tmp_path: Path, value: Any) -> None:
    with pytest.raises(UserError, match=rf": train\.units\.1: .*, found {value!r};"):
        load_with(tmp_path, "train.units", [50, value])


@pytest.mark.parametrize("value", [0, 86_400.0, "0"])
def test_the_start_of_the_sample_is_a_date(tmp_path: Path, value: Any) -> None:
    # Read as seconds since 1970 it would silently be a household of that year.
    with pytest.raises(UserError, match=r": fetch\.sample\.start: "):
        load_with(tmp_path, "fetch.sample.start", value)


@pytest.mark.parametrize(
    ("features", "reason"),
    [
        ([TARGET, "humidity"], ": window.features.1: Input should be 'global_active_power', "),
        ([TARGET, "voltage", "voltage"], ": window.features: Value error, duplicate column"),
        (["voltage", TARGET], ": window.features: Value error, the first must be "),
    ],
)
def test_each_fault_of_the_features_has_its_own_message(
    tmp_path: Path, features: list[str], reason: str
) -> None:
    with pytest.raises(UserError) as caught:
        load_with(tmp_path, "window.features", features)
    assert reason in str(caught.value)


def test_holidays_need_a_country(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_with(tmp_path, "window.calendar", ["hour", "holiday"])
    assert str(caught.value).endswith(
        "window.calendar has holiday, which needs window.country, such as FR; correct it and run "
        "again"
    )


def test_difference_inputs_need_a_lookback_of_two(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_with(tmp_path, "window.lookback", 1)
    assert str(caught.value).endswith(
        "train.difference_inputs needs a window.lookback of 2 or more; correct it and run again"
    )


def test_every_fault_is_reported_at_once(tmp_path: Path) -> None:
    values = shipped()
    values["seed"] = "x"
    values["train"]["epochs"] = 0
    del values["plot"]["steps"]
    with pytest.raises(UserError) as caught:
        load(tmp_path, values)
    said = str(caught.value)
    assert all(f"{dotted}: " in said for dotted in ("seed", "train.epochs", "plot.steps"))
    assert "\n" not in said


@pytest.mark.parametrize(
    "dotted", ["window.use_fraction", "train.learning_rate", "fetch.sample.days"]
)
@pytest.mark.parametrize("written", ["1", "1.0", "1e0"])
def test_a_float_may_be_written_without_a_point(tmp_path: Path, dotted: str, written: str) -> None:
    key = dotted.rpartition(".")[2]
    found = re.search(rf"{key}: [0-9.]+", SHIPPED.read_text(encoding="utf-8"))
    assert found
    value = value_at(load_text(tmp_path, found[0], f"{key}: {written}"), dotted)
    assert value == 1
    assert type(value) is float


@pytest.mark.parametrize("written", ["2006-12-16", '"2006-12-16"', "'2006-12-16'"])
def test_the_first_day_may_be_quoted_or_not(tmp_path: Path, written: str) -> None:
    loaded = load_text(tmp_path, "start: '2006-12-16'", f"start: {written}")
    assert loaded.fetch.sample.start == dt.date(2006, 12, 16)


def test_the_expected_sha256_is_accepted(tmp_path: Path) -> None:
    assert load_with(tmp_path, "fetch.sha256", "0f" * 32).fetch.sha256 == "0f" * 32


def test_the_features_are_the_columns_of_the_data() -> None:
    assert get_args(schema.Feature) == schema.NAMES


def test_all_columns_may_be_features(tmp_path: Path) -> None:
    features = list(schema.NAMES)
    assert load_with(tmp_path, "window.features", features).window.features == features


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("lookback: 49", "lookback: [49", id="bracket left open"),
        pytest.param("lookback: 49", "lookback: 49\n  lookback: 2", id="key twice"),
        pytest.param("lookback: 49", "\tlookback: 49", id="tab"),
        pytest.param("lookback: 49", "lookback: *one", id="alias of nothing"),
        pytest.param("lookback: 49", "lookback: 49\n---\nseed: 1", id="two documents"),
        pytest.param("lookback: 49", "lookback: !!python/object:os.system 1", id="tag of Python"),
        pytest.param("lookback: 49", "lookback: 49\0", id="NUL"),
        pytest.param("'2006-12-16'", "2006-02-30", id="date not in the calendar"),
    ],
)
def test_parameters_that_are_not_yaml_are_refused_in_one_line(
    tmp_path: Path, old: str, new: str
) -> None:
    with pytest.raises(UserError) as caught:
        load_text(tmp_path, old, new)
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'params.yaml'} is not YAML: ")
    assert "\n" not in said


def test_bytes_that_are_not_text_are_not_yaml(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(b"seed: \xff\xfe\n")
    with pytest.raises(UserError, match="is not YAML: ") as caught:
        params.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "# nothing\n", "seed\n", "- seed\n"])
def test_a_file_without_sections_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="the file: Input should be a valid dictionary") as caught:
        params.load(path)
    assert "\n" not in str(caught.value)


def test_a_missing_parameter_file_is_reported_with_the_folder_to_run_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        params.load()
    assert str(caught.value) == "params.yaml not found; run from the project's root"
