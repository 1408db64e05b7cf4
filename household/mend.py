"""Puts right what DVC has left where it was killed while it wrote its own records.

    python -m household.mend

DVC writes dvc.lock and .dvc/tmp/rwlock in place: killed then, it leaves a part, with which no
later command of it works. This takes back the last whole dvc.lock that git knows; what that lacks
of the latest run DVC has in its cache. Exit status 1 where there is nothing to put right.
`make repro` runs it where DVC fails, and then DVC again.
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
    mended = False
    if RWLOCK.exists() and not _is_json(RWLOCK):
        RWLOCK.unlink()
        print(f"mend: {RWLOCK} was cut short, and is removed", file=sys.stderr)
        mended = True
    if LOCKFILE.exists() and not _is_lockfile(LOCKFILE):
        # From the index, where DVC puts each that it has written.
        restore = ["git", "restore", "--", str(LOCKFILE)]
        subprocess.run(restore, capture_output=True, check=False)  # noqa: S603
        back = _is_lockfile(LOCKFILE)
        if not back:
            LOCKFILE.unlink()
        found = "the last whole one is back" if back else "it is removed, as git has none"
        print(f"mend: {LOCKFILE} was cut short; {found}", file=sys.stderr)
        mended = True
    return 0 if mended else 1


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
