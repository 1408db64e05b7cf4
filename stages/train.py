"""Train the LSTM, one model for all meters.

Reads data/series/, data/split/, data/source.json and, for a warm start, the model in
`train.warm_start`. Writes models/lstm/ and reports/train/history.csv. After each epoch it
saves models/checkpoint.npz, from which an interrupted training resumes.
"""

from contextlib import nullcontext, redirect_stdout
from functools import partial
from pathlib import Path

from household.core import files, paths, stage
from household.core.params import Params
from household.model import distributed, loop, saved_model, tensorflow, trainer


def main(params: Params, root: Path = Path(), *, keep_interrupted: bool = False) -> bool:
    """Run the stage on the files under `root`.

    Args:
        params: The parameters.
        root: The folder of the pipeline.
        keep_interrupted: Whether Ctrl-C ends the training and keeps its best epoch so far.

    Returns:
        Whether that happened.
    """
    strategy, workers = tensorflow.distribution_strategy(), distributed.workers_from_env()
    features, data = trainer.load_data(params, root)
    earlier = saved_model.warm_start(params, features, root)
    if earlier:
        data = data._replace(scaling=earlier.scaling)
    model = trainer.build_or_warm_start(params, data, earlier)
    for line in trainer.describe(model, params, data, warm_start_model=earlier):
        print(f"train: {line}")
    interrupted = False
    # All workers print the same lines from here on.
    with redirect_stdout(None) if workers.index else nullcontext():
        try:
            loop.fit(
                model,
                data,
                params.train,
                seed=params.seed,
                checkpoint_path=root / paths.CHECKPOINT,
                on_epoch_end=partial(files.write_csv, root / paths.HISTORY),
                warm_start=bool(earlier),
                strategy=strategy,
            )
        except KeyboardInterrupt:
            if not keep_interrupted:
                raise
            interrupted = True
            print("train: interrupted; kept the best epoch so far")
    if not workers.index:
        trainer.save(model, params, data, features=features, root=root, warm_start_model=earlier)
        (root / paths.CHECKPOINT).unlink(missing_ok=interrupted)
    return interrupted


if __name__ == "__main__":
    stage.run("train", main, distributed.is_first)
