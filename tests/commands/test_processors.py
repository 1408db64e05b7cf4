"""A model, its scores and its report are the same bytes whatever the processor."""

import json
from pathlib import Path

import pytest

from household.pipeline import arithmetic
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
    "fetch.sample.households": "2",
    "window.lookback": "4",
    "window.horizon": "2",
    "train.members": "1",
    "train.units": "[64]",
    "train.stretch": "8",
    "train.epochs": "1",
    "plot.steps": "20",
    "evaluate.trees": "true",
}
# A line with an area, points with their errors, and squares.
DRAWN = ("forecast", "scores", "error_by_day")
QEMU = can("qemu-x86_64", "-version")


@pytest.fixture(scope="module")
def split_clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which the stages before train have run, once for all processors."""

    def prepare(folder: Path) -> str:
        clones.copy(folder)
        processors.prepare(folder, TINY)
        return ""

    return clones.make_once(tmp_path_factory, "prepared", prepare)[0]


@pytest.fixture(scope="module")
def outputs_here(split_clone: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What this processor makes of it, with which all others are compared."""

    def make(folder: Path) -> str:
        return json.dumps(processors.write_outputs(split_clone, folder, processors.HERE))

    hashes: dict[str, str] = json.loads(clones.make_once(tmp_path_factory, "outputs_here", make)[1])
    return hashes


@pytest.mark.parametrize(
    "processor",
    [
        *processors.THREADS,
        *(
            pytest.param(
                name,
                marks=[
                    pytest.mark.slow(seconds=100),
                    pytest.mark.skipif(not QEMU, reason="NO QEMU: other processors are not tested"),
                ],
            )
            for name in processors.EMULATED
        ),
    ],
)
def test_every_file_is_the_same_bytes_on(
    processor: str, split_clone: Path, outputs_here: dict[str, str], tmp_path: Path
) -> None:
    # What draws has one code for all processors, and is slow to emulate.
    drawn = {processors.EMULATED[0]: DRAWN, processors.EMULATED[1]: ()}.get(processor)
    there = processors.write_outputs(split_clone, tmp_path / "there", processor, drawn=drawn)
    expected = {
        name: of
        for name, of in outputs_here.items()
        if drawn is None or Path(name).suffix != ".png" or Path(name).stem in drawn
    }
    assert len(expected) > 20
    assert {f"reports/figures/{name}.png" for name in drawn or ()} <= set(expected)
    assert there == expected
