"""Run `household provenance`: print which data and which code a model came from."""

import argparse
import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from household.core.errors import UserError, exit_on_error
from household.model import saved_model
from household.model.saved_model import SavedModel

LOCK = ("--", "dvc.lock")


def lines(model: SavedModel, repository: Path) -> Iterator[str]:
    """Yield the lines to print."""
    trained_on = model.record["trained_on"]
    zips = trained_on["source"].get("parts")
    if not zips:  # a DataFrame, or a model of an earlier version
        yield f"data: {trained_on['source']['address']}"
    for name, zip_record in (zips or {}).items():
        yield f"data: {zip_record['address']} as {name}, sha256 {zip_record['sha256']}"
    yield f"readings: {_period(trained_on)}, {trained_on['windows']:,} windows"
    for earlier in model.record.get("lineage", ()):
        yield (
            f"continued from: the network with sha256 {earlier['sha256']}, "
            f"{_period(earlier['trained_on'])}"
        )
    tags, commits = find_commits(model.folder / saved_model.NETWORK, repository)
    yield from (f"version: {tag}" for tag in tags)
    yield from (f"code: {commit}" for commit in commits)
    if not commits:
        yield f"code: no commit in {repository.resolve()} has this network in its dvc.lock"


def _period(trained_on: dict[str, Any]) -> str:
    return f"{trained_on['first']} to {trained_on['last']}".replace("T", " ")


def find_commits(network: Path, repository: Path) -> tuple[list[str], list[str]]:
    """Return the tags with `network` in dvc.lock, and the commits that added it, the oldest first.

    Raises:
        UserError: `repository` is not a git repository.
    """
    # DVC identifies a file by its MD5.
    with network.open("rb") as file:
        md5 = hashlib.file_digest(file, "md5").hexdigest()

    def holds(revision: str) -> bool:
        return _git(repository, "grep", "-q", md5, revision, *LOCK) is not None

    changing = _git(repository, "log", "--all", "--reverse", "--format=%h", f"-S{md5}", *LOCK)
    if changing is None:
        raise UserError(
            f"{repository}: not a git repository; name the project's folder by --repository"
        )
    tags = [tag for tag in _git(repository, "tag", "--list") or [] if holds(tag)]
    # They include commits that removed it.
    adding = [commit for commit in changing if holds(commit)]
    show = ["show", "--no-patch", "--date=short", "--format=%h %ad %s"]
    return tags, (_git(repository, *show, *adding) or []) if adding else []


def _git(repository: Path, *arguments: str) -> list[str] | None:
    """Return the lines that git prints; None if it fails or finds nothing."""
    process = subprocess.run(  # noqa: S603
        ["git", *arguments],  # noqa: S607
        cwd=repository,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    return None if process.returncode else process.stdout.splitlines()


def main(options: argparse.Namespace) -> None:
    """Run the command."""
    with exit_on_error("provenance"):
        model = saved_model.load(options.model, saved_model.NETWORK)
        # Data first: the folder has them even where there is no repository.
        for line in lines(model, options.repository):
            print(line)
