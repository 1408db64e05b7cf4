"""The notebook of docs/: it runs from its first cell to its last, and stands there as it ran."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.project import ROOT

NOTEBOOK = Path("docs/notebook.ipynb")
PLOTS = 3


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def kinds(cell: Any) -> set[str]:
    return {kind for output in cell.outputs for kind in output.get("data", {})}


@pytest.mark.slow
def test_the_notebook_runs(clone: Path) -> None:
    notebook = nbformat.read(clone / NOTEBOOK, as_version=4)
    folder = {"metadata": {"path": str(clone / NOTEBOOK.parent)}}
    NotebookClient(notebook, timeout=240, resources=folder).execute()
    first, *others = code(notebook)
    assert not first.outputs
    assert sum("image/png" in kinds(cell) for cell in others) == PLOTS
    assert (clone / "models/from_notebook/metadata.json").is_file()


def test_the_notebook_is_committed_as_it_ran() -> None:
    notebook = nbformat.read(ROOT / NOTEBOOK, as_version=4)
    assert len(notebook.cells) == 10
    cells = code(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert sum("image/png" in kinds(cell) for cell in cells) == PLOTS
    said = [output for cell in cells for output in cell.outputs]
    assert not any(output.output_type == "error" for output in said)
