"""List the path of each file of data, model and report; dvc.yaml names the same paths."""

from pathlib import Path

PARAMS = Path("params.yaml")
# Locked by the running stage. git and DVC ignore the folder.
LOCK = Path(".dvc/tmp/stage.lock")

# Folders with a file or a folder for each meter; see household.core.meters.
RAW = Path("data/raw")
PARSED = Path("data/parsed")
SERIES = Path("data/series")
WINDOWS = Path("data/windows")
TRAIN = Path("data/split/train")
VALIDATION = Path("data/split/validation")
TEST = Path("data/split/test")

SOURCE = Path("data/source.json")
QUALITY = Path("reports/data_quality.json")
SCALING = Path("data/split/scaling.json")
NETWORK = Path("models/lstm/model.keras")
GRAPH = Path("models/lstm/model.onnx")
CARD = Path("models/lstm/README.md")
FORECASTER = Path("models/lstm/metadata.json")
# The state of an interrupted training. DVC removes outputs before a run, so this is not an output.
CHECKPOINT = Path("models/checkpoint.npz")
HISTORY = Path("reports/train/history.csv")
METRICS = Path("reports/metrics.json")
METERS = Path("reports/meters.csv")
PREDICTIONS = Path("reports/predictions.parquet")
BREAKDOWN = Path("reports/breakdown.csv")
COVERAGE = Path("reports/coverage.csv")
QUANTILES = Path("reports/quantiles.csv")
PLOTS = Path("reports/plots")
# Tables kept in git, so that every commit has them even when DVC's cache does not.
SUMMARY = Path("reports/summary")
FIGURES = Path("reports/figures")
REPORT = Path("reports/report.md")


def in_project(path: Path) -> Path:
    """Return where a file or folder of the project is for the package, in any working folder.

    A clone has it beside the package. An installed wheel has it inside, in the folder `project`.
    """
    package = Path(__file__).parents[1]
    inside = package / "project" / path
    return inside if inside.exists() else package.parent / path
