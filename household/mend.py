"""Repair the records of DVC after it was killed while writing them.

    python -m household.mend

DVC writes dvc.lock and .dvc/tmp/rwlock in place. If it is killed then, it leaves a truncated file
that no later command can read. This restores the last whole dvc.lock that git knows. What that
lacks of the latest run is still in DVC's cache. The exit status is 1 if there is nothing to repair.
`make repro` runs this and then DVC again if DVC fails.
"""

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


def main() -> int:
    """Run the command; return its exit status."""
    repaired = False
    if RWLOCK.exists() and not _is_json(RWLOCK):
        RWLOCK.unlink()
        print(f"mend: {RWLOCK} was truncated; removed it", file=sys.stderr)
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
        print(f"mend: {LOCKFILE} was truncated; {outcome}", file=sys.stderr)
        repaired = True
    return 0 if repaired else 1


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


if __name__ == "__main__":
    sys.exit(main())
