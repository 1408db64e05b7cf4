"""Search for better parameters of the training, with Optuna.

    python -m household search [--trials N] [--workers N] [--apply TRIAL] [KEY=VALUES ...]

Run `dvc repro split` first; `make search` does that. Each trial trains with other values of the
given keys of train, such as train.units=[32],[64,64] or train.dropout=0:0.4 or
train.learning_rate=0.001:0.03:log. A trial ends early if its lowest validation loss so far is above
the median of the others at that epoch. Results are kept in reports/search: the same command
continues the search, also while another one is running. --apply runs a trial's values as a DVC
experiment, from the data to the plots. Needs the extra `search`.
"""

import argparse
import contextlib
import json
import math
import multiprocessing
import os
import re
import shlex
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import vl_convert
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from household.app import command
from household.core import files, parallel, params
from household.core.errors import UserError
from household.core.params import Params
from household.report import markdown, plots

try:
    import optuna
    from optuna.distributions import (
        BaseDistribution,
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
        distribution_to_json,
    )
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.trial import FrozenTrial, TrialState
except ModuleNotFoundError as error:
    sys.exit(f"search: {error.name} is not installed; python -m pip install -r lock/search.txt")

FOLDER = Path("reports/search")
JOURNAL = FOLDER / "journal.log"
SPACE = (
    "train.units=[32,32],[64,64],[96,96]",
    "train.learning_rate=0.002:0.03:log",
    "train.dropout=0:0.4",
    "train.batch_size=8,16,32",
)
# Losses of trainings that differ in these parameters cannot be compared.
MEASURE = ("loss", "huber_delta", "loss_at", "chunk_length", "warm_start")
RANGE = re.compile(r"([-+.0-9eE]+):([-+.0-9eE]+)(:log)?")
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
# Trials before the first that may be pruned, when there is no median yet.
STARTUP_TRIALS = 4
# Epochs of a trial before it may be pruned, since the first ones say little.
WARMUP_EPOCHS = 2

Space = dict[str, BaseDistribution]


def space(texts: list[str]) -> Space:
    """Parse what to try for each key of train.

    Args:
        texts: Such as train.units=[32],[64,64] or train.dropout=0:0.4.

    Raises:
        UserError: A key cannot be searched, or its values cannot be parsed.
    """
    distributions: Space = {}
    keys = params.TrainParams.model_fields.keys() - set(MEASURE)
    for text in texts:
        dotted, _, values = text.partition("=")
        section, _, key = dotted.partition(".")
        if section != "train" or key not in keys:
            raise UserError(
                f"{dotted} cannot be searched; use train. and one of {', '.join(sorted(keys))}"
            )
        try:
            distributions[dotted] = _distribution(values)
        except (ValueError, YAMLError):
            raise UserError(
                f"{text}: write values as {dotted}=1,2 or a range as {dotted}=0.1:0.5 or "
                f"{dotted}=0.1:0.5:log"
            ) from None
    return distributions


def _distribution(values: str) -> BaseDistribution:
    if match := RANGE.fullmatch(values):
        low, high = (YAML(typ="safe").load(bound) for bound in match.groups()[:2])
        is_integer = isinstance(low, int) and isinstance(high, int)
        kind = IntDistribution if is_integer else FloatDistribution
        return kind(low, high, log=bool(match[3]))
    # As text, since Optuna does not accept lists.
    choices = [json.dumps(value) for value in YAML(typ="safe").load(f"[{values}]")]
    return CategoricalDistribution(choices)


def values(trial: FrozenTrial | optuna.Trial) -> dict[str, Any]:
    """Return the values of a trial by dotted key."""
    return {
        key: json.loads(value)
        if isinstance(trial.distributions[key], CategoricalDistribution)
        else value
        for key, value in trial.params.items()
    }


def changed(given: Params, tried: Mapping[str, Any]) -> Params:
    """Return the parameters of a trial with the values `tried`."""
    settings = {key.removeprefix("train."): value for key, value in tried.items()}
    return params.with_overrides(given, {"train": settings})


class Data(NamedTuple):
    """Hold what the trials learn from.

    Attributes:
        learnt: household.model.loop.Data.
        key: A fingerprint of the data, of the other parameters and of the values to try.
    """

    learnt: Any
    key: str


def read(given: Params, tried: Space) -> Data:
    """Return the splits of the split stage.

    Raises:
        UserError: There is no validation split.
    """
    # Imported here, since looking at a study does not need TensorFlow.
    from household.model import checkpoint, trainer  # noqa: PLC0415

    _, learnt = trainer.load_data(given)
    if not learnt.validation.size:
        raise UserError(
            "a search compares validation losses; set split.validation_fraction above 0"
        )
    fixed = given.model_dump(include={"seed", "window", "train"})
    for key in tried:
        del fixed["train"][key.removeprefix("train.")]
    searched = {key: distribution_to_json(of) for key, of in tried.items()}
    record = json.dumps([fixed, searched], sort_keys=True).encode()
    return Data(
        learnt,
        checkpoint.fingerprint(
            [record, *learnt.scaling, *learnt.train.key, *learnt.validation.key]
        ),
    )


def open_study(seed: int = 0) -> optuna.Study:
    """Open the study in reports/search, or create it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name="search",
        storage=JournalStorage(JournalFileBackend(str(JOURNAL))),
        pruner=optuna.pruners.MedianPruner(
            n_startup_trials=STARTUP_TRIALS, n_warmup_steps=WARMUP_EPOCHS
        ),
        load_if_exists=True,
    )
    # A search that continues must not draw the same values again.
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.trials))
    return study


def run_worker(worker: int, *, given: Params, tried: Space, trials: int) -> None:
    """Run trials until the study has enough.

    Args:
        worker: The index of this worker.
        given: The parameters.
        tried: The values to try.
        trials: How many trials the study shall have.

    Raises:
        UserError: The study has other data, parameters or values to try.
    """
    data = read(given, tried)
    study = open_study(given.seed + 1_000 * worker)
    if study.user_attrs.get("of", data.key) != data.key:
        raise UserError(
            f"{JOURNAL} was created with other data, parameters or values; delete {FOLDER} to "
            "start over"
        )
    study.set_user_attr("of", data.key)
    while len(study.get_trials(states=ENDED)) < trials:
        trial = study.ask(tried)
        try:
            loss, state = train(given, data.learnt, trial)
        except BaseException:
            study.tell(trial, state=TrialState.FAIL)
            raise
        study.tell(trial, loss, state=state)
        print(f"search: {describe(study.trials[trial.number])}", flush=True)


def train(given: Params, learnt: Any, trial: optuna.Trial) -> tuple[float | None, TrialState]:
    """Train with the values of `trial`; return the lowest validation loss and the outcome."""
    import keras  # noqa: PLC0415

    from household.model import loop, trainer  # noqa: PLC0415

    keras.backend.clear_session()
    settings = changed(given, values(trial))
    losses: list[float] = []

    def report(table: pa.Table) -> None:
        losses[:] = [row["loss"] for row in table.to_pylist() if row["split"] == "validation"]
        trial.report(losses[-1], len(losses))
        if len(losses) < settings.train.epochs and trial.should_prune():
            raise optuna.TrialPruned

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(None):
        kept = Path(folder) / "checkpoint.npz"
        try:
            model = trainer.build_or_warm_start(settings, learnt)
            loop.fit(
                model,
                learnt,
                settings.train,
                seed=settings.seed,
                checkpoint_path=kept,
                on_epoch_end=report,
            )
        except optuna.TrialPruned:
            return None, TrialState.PRUNED
        except UserError:  # the training diverged
            return None, TrialState.FAIL
    return min(losses), TrialState.COMPLETE


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that ended, the best first."""
    return sorted(study.get_trials(states=ENDED), key=lambda trial: (trial.state, best_loss(trial)))


def best_loss(trial: FrozenTrial) -> float:
    """Return the lowest validation loss of a trial, also of a pruned one."""
    return min(trial.intermediate_values.values(), default=math.inf)


def duration_seconds(trial: FrozenTrial) -> float:
    """Return the duration of a trial."""
    return trial.duration.total_seconds() if trial.duration else math.nan


def describe(trial: FrozenTrial) -> str:
    """Describe a trial in a line."""
    if not trial.intermediate_values:
        how = "diverged"
    else:
        cut = ", pruned" if trial.state == TrialState.PRUNED else ""
        count = len(trial.intermediate_values)
        epochs = "1 epoch" if count == 1 else f"{count} epochs"
        how = f"val_loss {best_loss(trial):.5f} after {epochs}{cut}"
    tried = " ".join(f"{_name(key)}={_short(value)}" for key, value in values(trial).items())
    return f"trial {trial.number}: {how}, {duration_seconds(trial):.0f} s; {tried}"


def overrides(trial: FrozenTrial) -> list[str]:
    """Return the values of a trial in the form of `dvc exp run --set-param`."""
    return [
        f"{key}={json.dumps(value, separators=(',', ':'))}" for key, value in values(trial).items()
    ]


def report(study: optuna.Study) -> str:
    """Write the report to reports/search; return its table as Markdown."""
    trials = finished_trials(study)
    keys = list(trials[0].params)
    rows = [
        {
            "trial": trial.number,
            "validation loss": f"{best_loss(trial):.6f}",
            "epochs": len(trial.intermediate_values),
            "pruned": "yes" if trial.state == TrialState.PRUNED else "no",
            "seconds": round(duration_seconds(trial)),
        }
        | {key: _plain(value) for key, value in values(trial).items()}
        for trial in trials
    ]
    files.write_csv(FOLDER / "trials.csv", pa.Table.from_pylist(rows))
    shares = importance(study)
    _draw("history", history(trials))
    _draw("importance", bars(shares))
    cells = [[_short(value) for value in row.values()] for row in rows]
    table = markdown.table([_name(key) for key in rows[0]], cells)
    text = f"# Search: {len(rows)} trials over {', '.join(keys)}\n\n{table}\n"
    for name, what in (("history", HISTORY), ("importance", IMPORTANCE)):
        text += f"\n## {what}\n\n![{what}]({name}.png)\n"
    with files.atomic_write(FOLDER / "report.md") as partial:
        partial.write_text(text, encoding="utf-8")
    return table


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float) else json.dumps(value)


def _name(key: str) -> str:
    """Return a key without its section, so that a line fits a terminal."""
    return key.removeprefix("train.")


def _short(value: Any) -> str:
    """Return a value with at most four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace(", ", ",")


def importance(study: optuna.Study) -> dict[str, float]:
    """Return the importance of each key for the loss, in shares of 1; empty for too few trials.

    Watanabe, Bansal and Hutter (2023), PED-ANOVA: efficiently quantifying hyperparameter importance
    in arbitrary subspaces, IJCAI.
    """
    complete = study.get_trials(states=[TrialState.COMPLETE])
    if len(complete) < STARTUP_TRIALS:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        return optuna.importance.get_param_importances(study, evaluator=evaluator)


HISTORY = "Validation loss of each trial, and the lowest so far"
IMPORTANCE = "Importance of each parameter for the loss"


def history(trials: list[FrozenTrial]) -> dict[str, Any]:
    """Return the plot of the losses in the order of the trials."""
    lowest, rows = math.inf, []
    for trial in sorted(trials, key=lambda trial: trial.number):
        cut = trial.state == TrialState.PRUNED
        lowest = lowest if cut else min(lowest, best_loss(trial))
        row = {"trial": trial.number, "loss": best_loss(trial), "how": HOW[cut]}
        rows.append(row | ({"lowest": lowest} if math.isfinite(lowest) else {}))
    x = {"field": "trial", "type": "quantitative", "axis": {"tickMinStep": 1}}
    y = {"type": "quantitative", "title": "validation loss", "scale": {"zero": False}}
    color = {"scale": {"domain": HOW, "range": COLORS}, "title": None, "legend": {"orient": "top"}}
    shape = {"scale": {"domain": HOW, "range": ["circle", "cross"]}, "title": None}
    return {
        "title": {"text": HISTORY, "anchor": "start"},
        "data": {"values": rows},
        "width": 600,
        "height": 260,
        "layer": [
            {
                "mark": {"type": "line", "interpolate": "step-after", "color": COLORS[0]},
                "encoding": {"x": x, "y": y | {"field": "lowest"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
                "encoding": {
                    "x": x,
                    "y": y | {"field": "loss"},
                    "color": color | {"field": "how", "type": "nominal"},
                    "shape": shape | {"field": "how", "type": "nominal"},
                },
            },
        ],
    }


HOW = ["complete", "pruned"]
COLORS = ["#0A7CC0", "#D55E00"]


def bars(shares: Mapping[str, float]) -> dict[str, Any]:
    """Return the plot of the importance of each key."""
    if not shares:
        return {"title": {"text": IMPORTANCE, "anchor": "start"}, "mark": "text"} | plots.NOTHING
    return {
        "title": {"text": IMPORTANCE, "anchor": "start"},
        "data": {"values": [{"key": key, "share": share} for key, share in shares.items()]},
        "width": 600,
        "height": {"step": 30},
        "mark": {"type": "bar", "color": COLORS[0]},
        "encoding": {
            "x": {
                "field": "share",
                "type": "quantitative",
                "title": "share of the importance",
                "axis": {"format": ".0%"},
            },
            "y": {"field": "key", "type": "nominal", "sort": None, "axis": {"title": None}},
        },
    }


def _draw(name: str, spec: dict[str, Any]) -> None:
    picture = vl_convert.vegalite_to_png(
        spec, plots.VEGA_LITE, scale=plots.SCALE, config=plots.LOOK
    )
    with files.atomic_write(FOLDER / f"{name}.png") as partial:
        partial.write_bytes(picture)


def apply(number: int) -> int:
    """Run the pipeline with the values of a trial, as the experiment trial-<number>.

    Raises:
        UserError: There is no such trial.
    """
    trials = (
        {trial.number: trial for trial in finished_trials(open_study())} if JOURNAL.exists() else {}
    )
    if number not in trials:
        known = ", ".join(map(str, sorted(trials))) or "none"
        raise UserError(f"no trial {number} in {JOURNAL}; it has {known}")
    set_params = [f"--set-param={each}" for each in overrides(trials[number])]
    command = ["dvc", "exp", "run", "--temp", "--name", f"trial-{number}", *set_params]
    print(f"search: {shlex.join(command)}", flush=True)
    return subprocess.run([sys.executable, "-m", *command], check=False).returncode  # noqa: S603


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    told(partial(_main, _parse(arguments)))


def _main(options: argparse.Namespace) -> None:
    if options.apply is not None:
        sys.exit(apply(options.apply))
    given, tried = params.load(), space(options.space or list(SPACE))
    work = partial(run_worker, given=given, tried=tried, trials=options.trials)
    if options.workers == 1 and not os.environ.get(parallel.CLUSTER):
        work(0)
    else:
        run_workers(work, options.workers)
    print(report(open_study()))
    print(f"search: wrote {FOLDER}/report.md; run --apply TRIAL for an experiment with its values")


def run_workers(work: Callable[[int], None], count: int) -> None:
    """Run `work` in several processes, on a cluster or with a share of the cores each."""
    if os.environ.get(parallel.CLUSTER):
        list(parallel.map_items(work, range(count), "search"))
        return
    cores = max(1, (os.cpu_count() or 1) // count)
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(cores))
    # TensorFlow does not survive a fork.
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_worker, args=(work, number)) for number in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        sys.exit(1)


def _worker(work: Callable[[int], None], number: int) -> None:
    told(lambda: work(number))


def told(act: Callable[[], None]) -> None:
    """Run `act`. An error is reported in one line and ends the process with status 1."""
    try:
        act()
    except UserError as failure:
        sys.exit(f"search: {failure}")
    except FileNotFoundError as error:
        sys.exit(f"search: no {error.filename}; run `dvc repro split` first")
    except KeyboardInterrupt:
        sys.exit("search: interrupted; run the same command to resume")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = command.make_parser("search", __doc__)
    parser.add_argument("space", nargs="*", metavar="KEY=VALUES", help="values to try for a key")
    parser.add_argument(
        "--trials", type=_positive, default=20, help="number of trials of the study"
    )
    parser.add_argument("--workers", type=_positive, default=1, help="number of parallel workers")
    parser.add_argument("--apply", type=int, metavar="TRIAL", help="run a trial as an experiment")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("should be 1 or more")
    return number
