"""Run `household repair`: repair the records of DVC after it was killed while writing them."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from voluptuous import Invalid

LOCKFILE = Path("dvc.lock")
RWLOCK = Path(".dvc/tmp/rwlock")


def main(_options: argparse.Namespace) -> None:
    """Run the command; exit with status 1 if there is nothing to repair."""
    repaired = False
    if RWLOCK.exists() and not _is_json(RWLOCK):
        RWLOCK.unlink()
        print(f"repair: {RWLOCK} was truncated; removed it", file=sys.stderr)
        repaired = True
    if LOCKFILE.exists() and not _is_lockfile(LOCKFILE):
        # From the index, to which DVC adds each dvc.lock that it has written.
        restore = ["git", "restore", "--", str(LOCKFILE)]
        subprocess.run(restore, capture_output=True, check=False)  # noqa: S603
        is_restored = _is_lockfile(LOCKFILE)
        if not is_restored:
            LOCKFILE.unlink()
        outcome = (
            "restored the last version in git" if is_restored else "removed it, since git has none"
        )
        print(f"repair: {LOCKFILE} was truncated; {outcome}", file=sys.stderr)
        repaired = True
    sys.exit(not repaired)


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except ValueError:
        return False
    return True


def _is_lockfile(path: Path) -> bool:
    try:
        COMPILED_LOCKFILE_SCHEMA(YAML(typ="safe").load(path))
    except (YAMLError, Invalid, ValueError):
        return False
    return True
