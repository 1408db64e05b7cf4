"""Says which data and which code a model came from.

    python -m household.origin MODEL [--repository FOLDER]

MODEL is the folder of a model, wherever it is. The data and the trainings before stand in its
forecaster.json; the commits whose dvc.lock has the very same network are looked up in the
repository, experiments included.
"""

import argparse
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from household.forecast import trained
from household.forecast.trained import Trained
from household.pipeline.failure import Failure

LOCK = ("--", "dvc.lock")


def lines(model: Trained, repository: Path) -> Iterator[str]:
    """What there is to say, a line each."""
    of = model.record["trained_on"]
    parts = of["source"].get("parts")
    if not parts:  # a frame in memory, or a model of a version before
        yield f"data: {of['source']['address']}"
    for name, part in (parts or {}).items():
        yield f"data: {part['address']} as {name}, sha256 {part['sha256']}"
    yield f"minutes: {_minutes(of)}, {of['windows']:,} windows"
    for before in model.record.get("lineage", ()):
        yield (
            f"went on from: the network with sha256 {before['sha256']}, "
            f"{_minutes(before['trained_on'])}"
        )
    versions, found = holding(model.folder / trained.NETWORK, repository)
    yield from (f"version: {tag}" for tag in versions)
    yield from (f"code: {commit}" for commit in found)
    if not found:
        yield f"code: no commit in {repository.resolve()} has this network in its dvc.lock"


def _minutes(trained_on: dict[str, Any]) -> str:
    return f"{trained_on['first']} to {trained_on['last']}".replace("T", " ")


def holding(network: Path, repository: Path) -> tuple[list[str], list[str]]:
    """The tags with `network` in dvc.lock, and the commits that brought it, the first one first.

    Raises Failure where `repository` is none of git.
    """
    # What DVC calls a file by.
    with network.open("rb") as file:
        md5 = hashlib.file_digest(file, "md5").hexdigest()

    def holds(revision: str) -> bool:
        return _git(repository, "grep", "-q", md5, revision, *LOCK) is not None

    touched = _git(repository, "log", "--all", "--reverse", "--format=%h", f"-S{md5}", *LOCK)
    if touched is None:
        raise Failure(f"{repository}: no repository of git; give the project's with --repository")
    tags = [tag for tag in _git(repository, "tag", "--list") or [] if holds(tag)]
    # One that took it out again is among them.
    brought = [commit for commit in touched if holds(commit)]
    shown = ["show", "--no-patch", "--date=short", "--format=%h %ad %s"]
    return tags, (_git(repository, *shown, *brought) or []) if brought else []


def _git(repository: Path, *arguments: str) -> list[str] | None:
    """What git says, by lines; None where it fails or finds nothing."""
    done = subprocess.run(  # noqa: S603
        ["git", *arguments],  # noqa: S607
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    return None if done.returncode else done.stdout.splitlines()


def main() -> None:
    description, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        "python -m household.origin", description=description, epilog=rest.split("\n\n", 1)[1]
    )
    parser.add_argument("model", type=Path, metavar="MODEL")
    parser.add_argument("--repository", type=Path, default=Path(), help="the project's; here")
    options = parser.parse_args()
    try:
        model = trained.read(options.model, trained.NETWORK)
        print("\n".join(lines(model, options.repository)))
    except Failure as failure:
        sys.exit(f"origin: {failure}")
    except OSError as error:
        sys.exit(f"origin: {error.filename}: {error.strerror or error}")


if __name__ == "__main__":
    main()
