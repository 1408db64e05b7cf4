"""A model, its scores and its report are the same bytes whatever the processor."""

import json
from pathlib import Path

import pytest

from household.core import arithmetic, paths
from tests import clones, processors
from tests.shell import can

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not arithmetic.has_avx2(), reason="NO AVX2: other processors are not tested"
    ),
]
# Two meters, LightGBM, two minutes ahead, and a layer as wide as those of the defaults.
TINY = {
    "fetch.sample.days": "0.2",
    "fetch.sample.meters": "2",
    "window.lookback": "4",
    "window.horizon": "2",
    "train.ensemble_size": "1",
    "train.units": "[64]",
    "train.chunk_length": "8",
    "train.epochs": "1",
    "plot.steps": "20",
    "evaluate.lightgbm": "true",
}
# A line with an area, points with their errors, and squares. What draws has one code for all
# processors, and is slow to emulate.
DRAWN = ("forecast", "scores", "error_by_day")
TRAINED = (paths.NETWORK, paths.GRAPH, paths.FORECASTER, paths.HISTORY)
EMULATED = pytest.mark.skipif(
    not can("qemu-x86_64", "-version"), reason="NO QEMU: other processors are not tested"
)


@pytest.fixture(scope="module")
def split_clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a clone in which the stages before train have run."""

    def prepare(folder: Path) -> str:
        clones.copy(folder)
        processors.prepare(folder, TINY)
        return ""

    return clones.make_once(tmp_path_factory, "prepared", prepare)[0]


@pytest.fixture(scope="module")
def made_here(
    split_clone: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, str]]:
    """Return the outputs of 16 threads of this processor, to compare others with."""

    def make(folder: Path) -> str:
        return json.dumps(processors.write_outputs(split_clone, folder, "16 threads"))

    folder, hashes = clones.make_once(tmp_path_factory, "made_here", make)
    return folder, json.loads(hashes)


def test_every_file_is_the_same_bytes_with_any_number_of_threads(
    split_clone: Path, made_here: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    _, here = made_here
    assert processors.write_outputs(split_clone, tmp_path / "there", "1 thread") == here
    assert len(here) > 20


@pytest.mark.slow(seconds=80)
@EMULATED
def test_another_processor_trains_a_model_of_the_same_bytes(
    split_clone: Path, made_here: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    _, here = made_here
    there = processors.write_outputs(split_clone, tmp_path / "there", "EPYC", stages=["train"])
    assert there == {name: here[name] for name in there}
    assert {str(path) for path in TRAINED} <= set(there)


@pytest.mark.slow(seconds=40)
@EMULATED
def test_another_processor_gives_scores_and_report_of_the_same_bytes(
    split_clone: Path, made_here: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    trained, here = made_here
    there = processors.write_outputs(
        split_clone,
        tmp_path / "there",
        "Haswell",
        stages=["evaluate", "plot"],
        trained=trained,
        drawn=DRAWN,
    )
    left = {name for name in here if name.endswith(".png") and Path(name).stem not in DRAWN}
    assert there == {name: here[name] for name in set(here) - left}
    assert {f"reports/figures/{name}.png" for name in DRAWN} <= set(there)
