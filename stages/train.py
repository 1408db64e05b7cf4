"""Train the LSTM, one model for all meters.

Reads data/series/, data/split/, data/source.json and the model in `train.warm_start` if any. Writes
models/lstm/ and reports/train/history.csv, and after each epoch models/checkpoint.npz, from which
an interrupted training resumes.
"""

from contextlib import nullcontext, redirect_stdout
from functools import partial
from pathlib import Path

from household.core import files, paths, stage
from household.core.params import Params
from household.model import distributed, loop, tensorflow, trainer


def main(
    params: Params,
    root: Path = Path(),
    *,
    warm_start: Path | None = None,
    keep_interrupted: bool = False,
) -> bool:
    """Run the stage on the files under `root`; return whether Ctrl-C ended the training."""
    strategy, workers = tensorflow.distribution_strategy(), distributed.workers_from_env()
    training = trainer.prepare(params, root, warm_start)
    for line in trainer.describe(training, params):
        print(f"train: {line}")
    # All workers print the same lines from here on.
    with redirect_stdout(None) if workers.index else nullcontext():
        interrupted = loop.fit(
            training.model,
            training.data,
            params.train,
            seed=params.seed,
            checkpoint_path=root / paths.CHECKPOINT,
            on_epoch_end=partial(files.write_csv, root / paths.HISTORY),
            warm_start=bool(training.earlier),
            strategy=strategy,
            keep_interrupted=keep_interrupted,
        )
    if not workers.index:
        trainer.save(training, params, root)
        (root / paths.CHECKPOINT).unlink(missing_ok=interrupted)
    return interrupted


if __name__ == "__main__":
    stage.run("train", main, distributed.is_first)
