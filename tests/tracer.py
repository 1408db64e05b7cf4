"""What a stage touches while it runs, by strace, against what dvc.yaml says of it."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml import YAML

from household.core import paths
from tests.project import ROOT, leaves
from tests.shell import environment

SITE = Path(__file__).parent / "traced"
# Each process and thread into a file of its own, with paths for numbers of open files.
STRACE = ["strace", "-ff", "-qq", "-y", "-s", "4096", "--seccomp-bpf", "-e", "signal=none", "-e"]
CALLS = "?open,openat,?openat2,?creat,connect,sendto,sendmsg"
OPENED = re.compile(r"(?:open|openat|openat2|creat)\((.*)\) += -?\d+(?:<(.*?)>(?:\(deleted\))?)?")
NAMED = re.compile(r'(?:\w+<([^>]*)>, |AT_FDCWD, )?"([^"]*)"')
TALKED = re.compile(r"(?:connect|sendto|sendmsg)\(.*(sa_family=AF_INET6?\b[^}]*)")
# A file or folder as it is written, which gets its name at the end.
PARTIAL = re.compile(r"(^|/)\.partial-([^/]*?)(?:-[0-9a-f]{32})?(?=/|$)")
COMPILED = re.compile(r"(.*/)?__pycache__/(\w+)\.cpython-.*")
# The system's own; beside it stand the packages, which lock/run.txt is declared for.
SYSTEM = ("/bin", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sys", "/usr")
# Stands for the packages that are installed; no stage opens it.
LOCK = "lock/run.txt"
# Looked for by what draws the pictures, which have a font that it brings.
FONTS = (".fonts", ".local/share/fonts")
# Every stage checks all parameters, and depends on those that it reads. The checkpoint is no
# output, since DVC would remove it before a run that goes on from it.
UNDECLARED = {str(path) for path in (paths.PARAMS, paths.LOCK, paths.CHECKPOINT)}


class Trace(NamedTuple):
    """Hold what one run of a stage touched, with files named by their path in the project."""

    read: set[str]
    written: set[str]
    elsewhere: set[str]  # files that are neither of the project nor of system, packages or TMPDIR
    keys: set[str]  # of the parameters that were read
    network: set[str]


def faults(folder: Path, stage: str) -> Iterator[str]:
    """Run the stage in `folder`; return each way in which it violates dvc.yaml, in words."""
    entry = YAML(typ="safe").load(folder / "dvc.yaml")["stages"][stage]
    deps = set(entry["deps"])
    outs = {
        next(iter(out)) if isinstance(out, dict) else out
        for out in (*entry.get("outs", ()), *entry.get("metrics", ()))
    }
    listed = {
        leaf
        for leaf, _ in leaves(YAML(typ="safe").load(folder / "params.yaml"))
        for key in entry["params"]
        if leaf == key or leaf.startswith(f"{key}.")
    }
    found = trace(folder, entry["cmd"])
    for name in sorted(_outside(found.read, deps | outs)):
        yield f"{stage} opens {name}, which is none of its deps"
    for name in sorted(_outside(found.written, outs)):
        yield f"{stage} writes {name}, which is none of its outs"
    for name in sorted(deps - {LOCK}):
        if not _within(found.read, name):
            yield f"{stage} never opens {name}, one of its deps"
    for name in sorted(out for out in outs if not _within(found.written, out)):
        yield f"{stage} never writes {name}, one of its outs"
    for key in sorted(found.keys - listed):
        yield f"{stage} reads the parameter {key}, which is none of its params"
    for key in sorted(listed - found.keys):
        yield f"{stage} never reads the parameter {key}, one of its params"
    for name in sorted(found.elsewhere):
        yield f"{stage} opens {name}, outside of the project"
    for address in sorted(found.network):
        yield f"{stage} asks the network: {address}"


def _outside(names: set[str], declared: set[str]) -> set[str]:
    """Return the names that are neither declared nor in a declared folder."""
    return {
        name
        for name in names - UNDECLARED
        if not any(name == each or name.startswith(f"{each}/") for each in declared)
    }


def _within(names: set[str], declared: str) -> bool:
    return any(name == declared or name.startswith(f"{declared}/") for name in names)


def trace(folder: Path, command: str) -> Trace:
    """Run `command` in `folder`, with a separate home folder."""
    with tempfile.TemporaryDirectory() as made:
        beside = Path(made).resolve()
        for name in ("home", "tmp", "calls"):
            (beside / name).mkdir()
        done = subprocess.run(
            [*STRACE, f"trace={CALLS}", "-o", str(beside / "calls/of"), "sh", "-c", command],
            cwd=folder,
            env=environment(folder)
            | {
                "HOME": str(beside / "home"),
                "TMPDIR": str(beside / "tmp"),
                "PYTHONPATH": str(SITE),
                "TRACED_KEYS": str(beside / "tmp/keys"),
            },
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        calls = [
            line
            for file in (beside / "calls").iterdir()
            for line in file.read_text(errors="replace").splitlines()
        ]
        keys = set((beside / "tmp/keys").read_text().split())
        return _trace(folder.resolve(), beside, calls, keys)


def _trace(folder: Path, beside: Path, calls: list[str], keys: set[str]) -> Trace:
    found = Trace(set(), set(), set(), keys, set())
    packages = (Path(sys.prefix), Path(sys.base_prefix), SITE)
    own = (beside / "tmp", *(beside / "home" / fonts for fonts in FONTS))
    fine = [*map(Path, SYSTEM), *packages, *own]
    for call in calls:
        if talked := TALKED.match(call):
            found.network.add(talked[1])
        if not (opened := OPENED.match(call)):
            continue
        arguments, path = opened[1], _path(folder, opened)
        if path.is_relative_to(folder):
            if "O_DIRECTORY" in arguments or path.is_dir():
                continue  # which Python's search for modules opens
            name = str(path.relative_to(folder))
            if compiled := COMPILED.fullmatch(name):
                found.read.add(f"{compiled[1] or ''}{compiled[2]}.py")
            elif re.search("O_WRONLY|O_RDWR|O_CREAT", arguments):
                found.written.add(re.sub(PARTIAL, r"\1\2", name))
            else:
                found.read.add(re.sub(PARTIAL, r"\1\2", name))
        # Where the project is installed, Python looks for modules in its folder as well.
        elif path != ROOT and not any(path.is_relative_to(part) for part in fine):
            found.elsewhere.add(str(path))
    return found


def _path(folder: Path, opened: re.Match[str]) -> Path:
    """Return the path that was opened, or would have been if it existed."""
    if opened[2]:
        return Path(opened[2])
    named = NAMED.match(opened[1])
    assert named, opened[0]
    return Path(os.path.normpath(folder / (named[1] or "") / named[2]))
