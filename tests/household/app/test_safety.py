"""A model that somebody tampered with is refused in one line, and runs no code of theirs."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from ruamel.yaml import YAML

from household.app.forecaster import Forecaster
from household.core import files
from household.core.errors import UserError
from household.model import keras_file
from household.readings import source
from tests.household.app.small_model import model, readings, seal
from tests.project import ROOT, changed

pytestmark = pytest.mark.usefixtures("empty_folder")


def refused(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        Forecaster(folder)
    said = str(caught.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize("change", [lambda old: old[:-1], lambda old: old + b"\0"])
def test_a_file_with_another_hash_is_refused(change: Callable[[bytes], bytes]) -> None:
    folder = model(Path("lstm"))
    path = folder / "model.onnx"
    path.write_bytes(change(path.read_bytes()))
    said = refused(folder)
    assert said.startswith(f"{path}: its sha256 is {files.sha256(path)}, but metadata.json ")
    assert said.endswith("; copy the whole folder again from where it was trained")


@pytest.mark.parametrize("place", ["weights.bin", "../weights.bin", "/etc/hostname"])
def test_an_onnx_file_with_external_weights_is_refused(place: str) -> None:
    """Even one that is sealed, whose weights stand beside it or in the current folder."""
    folder = model(Path("lstm"))
    graph = onnx.load(folder / "model.onnx")
    weights = max(graph.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    for beside in (folder / "weights.bin", Path("weights.bin")):
        beside.write_bytes(weights.raw_data)
    weights.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", place), ("length", str(len(weights.raw_data)))):
        entry = weights.external_data.add()
        entry.key, entry.value = key, value
    weights.ClearField("raw_data")
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    seal(folder)
    assert "External data path" in refused(folder)


def test_a_truncated_record_is_refused_or_not_needed() -> None:
    folder = model(Path("lstm"))
    whole = (folder / "metadata.json").read_bytes()
    for length in range(0, len(whole) - 1, 97):
        (folder / "metadata.json").write_bytes(whole[:length])
        refused(folder)
    for key in json.loads(whole):
        record = json.loads(whole)
        del record[key]
        files.write_json(folder / "metadata.json", record)
        if key in ("sha256", "input", "output", "parameters"):
            refused(folder)
        else:
            Forecaster(folder).forecast(readings(30))


LAMBDA = """import keras
from pathlib import Path
inputs = keras.Input((1,))
keras.Model(inputs, keras.layers.Lambda(lambda x: [Path("owned").touch(), x][1])(inputs))
"""


def test_a_keras_file_with_code_is_refused() -> None:
    made: dict[str, object] = {}
    exec(LAMBDA.replace("keras.Model(", "model = keras.Model("), made)
    made["model"].save("lambda.keras")  # type: ignore[attr-defined]
    Path("owned").unlink()
    with pytest.raises(
        UserError, match=r"^lambda.keras: not a network of the train stage"
    ) as caught:
        keras_file.load(Path("lambda.keras"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["../owned", "/tmp/owned", "config.json"])
def test_a_zip_that_is_no_keras_file_is_refused(name: str) -> None:
    Path("here").mkdir()
    with zipfile.ZipFile("here/model.keras", "w") as archive:
        archive.writestr(name, "{}")
    with pytest.raises(UserError, match=r"not a network of the train stage"):
        keras_file.load(Path("here/model.keras"))
    assert not Path("/tmp/owned").exists()


# What a user writes is never run.


def test_dvc_runs_the_same_commands_whatever_the_parameters_are() -> None:
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    assert {name: stage["cmd"] for name, stage in stages.items()} == {
        name: f"python -m stages.{name}" for name in stages
    }
    assert "${" not in (ROOT / "dvc.yaml").read_text()


@pytest.mark.parametrize(
    "text", ["$(touch owned)", "`touch owned`", "; touch owned", "| touch owned", "-h\ntouch owned"]
)
def test_a_source_with_shell_characters_is_a_file_name(text: str) -> None:
    given = changed({"fetch.source": text})
    with pytest.raises(UserError, match=r"^fetch.source: no file at ") as caught:
        source.fetch(given.fetch, Path("power.zip"))
    assert "\n" not in str(caught.value)
