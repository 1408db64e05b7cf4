"""Run `household search`: search for better parameters of the training, with Optuna."""

import argparse
import contextlib
import json
import multiprocessing
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import pyarrow as pa
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from household.app import search_report
from household.app.search_report import ENDED, STARTUP_TRIALS
from household.core import parallel, params
from household.core.errors import UserError, exit_on_error
from household.core.params import Params

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
# Epochs of a trial before it may be pruned, since the first ones say little.
WARMUP_EPOCHS = 2

RESUME = "run the same command to resume"
Space = dict[str, BaseDistribution]


def parse_space(texts: list[str]) -> Space:
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


def read(shipped: Params, space: Space) -> tuple[Any, str]:
    """Return the splits of the split stage and a fingerprint of all that trials have in common.

    The splits are a household.model.loop.TrainingData. The fingerprint is of the data, the
    parameters that are not searched and the values to try.

    Raises:
        UserError: The split stage has not run, or there is no validation split.
    """
    # Imported here, since looking at a study does not need TensorFlow.
    from household.model import checkpoint, trainer  # noqa: PLC0415

    try:
        _, splits = trainer.load_data(shipped)
    except FileNotFoundError as error:
        raise UserError(f"no {error.filename}; run `dvc repro split` first") from None
    if not splits.validation.size:
        raise UserError(
            "a search compares validation losses; set split.validation_fraction above 0"
        )
    fixed = shipped.model_dump(include={"seed", "window", "train"})
    for key in space:
        del fixed["train"][key.removeprefix("train.")]
    searched = {key: distribution_to_json(values) for key, values in space.items()}
    record = json.dumps([fixed, searched], sort_keys=True).encode()
    contents = [record, *splits.scaling[:2], *splits.train.key, *splits.validation.key]
    return splits, checkpoint.fingerprint(contents)


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


def run_worker(worker: int, *, shipped: Params, space: Space, trials: int) -> None:
    """Run trials until the study has enough.

    Args:
        worker: The index of this worker.
        shipped: The parameters.
        space: The values to try.
        trials: How many trials the study shall have.

    Raises:
        UserError: The study has other data, parameters or values to try.
    """
    splits, key = read(shipped, space)
    study = open_study(shipped.seed + 1_000 * worker)
    if study.user_attrs.get("of", key) != key:
        raise UserError(
            f"{JOURNAL} was created with other data, parameters or values; delete {FOLDER} to "
            "start over"
        )
    study.set_user_attr("of", key)
    while len(study.get_trials(states=ENDED)) < trials:
        trial = study.ask(space)
        try:
            loss, state = train(shipped, splits, trial)
        except BaseException:
            study.tell(trial, state=TrialState.FAIL)
            raise
        study.tell(trial, loss, state=state)
        print(f"search: {search_report.describe(study.trials[trial.number])}", flush=True)


def train(shipped: Params, splits: Any, trial: optuna.Trial) -> tuple[float | None, TrialState]:
    """Train with the values of `trial`; return the lowest validation loss and the outcome."""
    import keras  # noqa: PLC0415

    from household.model import loop, trainer  # noqa: PLC0415

    keras.backend.clear_session()
    values = search_report.values(trial)
    train_values = {key.removeprefix("train."): value for key, value in values.items()}
    settings = params.with_overrides(shipped, {"train": train_values})
    losses: list[float] = []

    def report(table: pa.Table) -> None:
        losses[:] = [row["loss"] for row in table.to_pylist() if row["split"] == "validation"]
        trial.report(losses[-1], len(losses))
        if len(losses) < settings.train.epochs and trial.should_prune():
            raise optuna.TrialPruned

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(None):
        try:
            loop.fit(
                trainer.build_or_warm_start(settings, splits),
                splits,
                settings.train,
                seed=settings.seed,
                checkpoint_path=Path(folder) / "checkpoint.npz",
                on_epoch_end=report,
            )
        except optuna.TrialPruned:
            return None, TrialState.PRUNED
        except UserError:  # the training diverged
            return None, TrialState.FAIL
    return min(losses), TrialState.COMPLETE


def apply(number: int) -> int:
    """Run the pipeline with the values of a trial, as the experiment trial-<number>.

    Raises:
        UserError: There is no such trial.
    """
    finished = search_report.finished_trials(open_study()) if JOURNAL.exists() else []
    trials = {trial.number: trial for trial in finished}
    if number not in trials:
        known = ", ".join(map(str, sorted(trials))) or "none"
        raise UserError(f"no trial {number} in {JOURNAL}; it has {known}")
    set_params = [
        f"--set-param={key}={json.dumps(value, separators=(',', ':'))}"
        for key, value in search_report.values(trials[number]).items()
    ]
    command = ["dvc", "exp", "run", "--temp", "--name", f"trial-{number}", *set_params]
    print(f"search: {shlex.join(command)}", flush=True)
    return subprocess.run([sys.executable, "-m", *command], check=False).returncode  # noqa: S603


def main(options: argparse.Namespace) -> None:
    """Run the command."""
    with exit_on_error("search", resume=RESUME):
        if options.apply is not None:
            sys.exit(apply(options.apply))
        space = parse_space(options.space or list(SPACE))
        work = partial(run_worker, shipped=params.load(), space=space, trials=options.trials)
        if options.workers == 1 and not os.environ.get(parallel.CLUSTER):
            work(0)
        else:
            run_workers(work, options.workers)
        print(search_report.write(open_study(), FOLDER))
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
    with exit_on_error("search", resume=RESUME):
        work(number)
