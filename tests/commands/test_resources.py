"""What a stage, and DVC around it, do where the machine gives them too little."""

from pathlib import Path

import pytest

from tests.clones import UP_TO_DATE, dvc
from tests.interruptions import state
from tests.shell import Start, can, environment, run
from tests.test_dvc_yaml import STAGES

pytestmark = pytest.mark.slow
MOUNT = ["unshare", "--map-root-user", "--mount"]
# So that even root is held to the permissions of a file.
HELD = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", "--inh-caps=-all"]

# Copies a clone to a separate disk, fills the disk to the last byte and runs each stage there.
ON_A_FULL_DISK = """
set -eu
mount -t tmpfs -o size=100m tmpfs "$2"
cp -R "$1" "$2/clone"
cd "$2/clone"
cp -al data ../linked    # as DVC links outputs to its cache, so that removing one frees nothing
dd if=/dev/zero of=../rest bs=4096 2>/dev/null || true
for stage in %s; do
    python -m stages.$stage 2>&1 >/dev/null && echo "$stage came to its end"
done
python -m dvc repro --force --single-item fetch >/dev/null 2>&1 && echo DVC came to its end
rm -R ../rest ../linked
python -m dvc repro >/dev/null 2>&1 || { python -m household repair && python -m dvc repro; }
rm -R "$1"
cp -R . "$1"
"""


@pytest.mark.skipif(not can(*MOUNT, "true"), reason="NO MOUNTS: a full disk is not tested")
def test_on_a_full_disk_each_stage_is_one_line_and_nothing_is_lost(
    clone: Path, tmp_path: Path
) -> None:
    before = state(clone)
    (tmp_path / "disk").mkdir()
    script = ON_A_FULL_DISK % " ".join(STAGES)
    said = run(tmp_path, *MOUNT, "sh", "-c", script, "sh", str(clone), str(tmp_path / "disk"))
    lines = [line for line in said.splitlines() if "No space left on device" in line]
    assert [line.partition(": ")[0] for line in lines] == STAGES, said
    assert "Traceback" not in said
    assert "came to its end" not in said
    assert state(clone) == before


@pytest.mark.skipif(not can(*HELD, "true"), reason="NO SETPRIV: permissions are not tested")
@pytest.mark.parametrize("stage", ["fetch", "split", "evaluate"])
def test_without_the_permission_to_write_a_stage_is_one_line(clone: Path, stage: str) -> None:
    before = state(clone)
    for name in ("data", "models", "reports"):
        run(clone, "chmod", "-R", "a-w", name)
    said = run(clone, *HELD, "python", "-m", f"stages.{stage}", fails=True)
    (line,) = said.splitlines()
    assert line.startswith(f"{stage}: ")
    assert line.endswith("Permission denied")
    run(clone, "chmod", "-R", "u+w", "data", "models", "reports")
    assert state(clone) == before


@pytest.mark.skipif(not can(*HELD, "true"), reason="NO SETPRIV: permissions are not tested")
def test_with_a_cache_that_cannot_be_written_nothing_is_lost(clone: Path) -> None:
    before = state(clone)
    run(clone, "chmod", "-R", "a-w", ".dvc/cache")
    said = run(
        clone,
        *HELD,
        "python",
        "-m",
        "dvc",
        "repro",
        "--force",
        "--single-item",
        "split",
        fails=True,
    )
    assert "Traceback" not in said
    assert "Permission denied" in said.splitlines()[-1]
    # Reading it is enough for what it holds.
    assert UP_TO_DATE in run(clone, *HELD, "python", "-m", "dvc", "status")
    run(clone, "chmod", "-R", "u+w", ".dvc/cache")
    dvc(clone, "repro")
    assert state(clone) == before


def test_two_runs_at_once_do_no_harm(clone: Path, start: Start) -> None:
    before = state(clone)
    command = ("python", "-m", "dvc", "repro", "--force", "--single-item", "split")
    both = [start(clone, *command) for _ in range(2)]
    for each in both:
        said, _ = each.communicate(timeout=300)
        assert "Traceback" not in said
        # The one that is later may do the same again, or be told of the other.
        assert each.returncode == 0 or "busy" in said or "acquire lock" in said, said
    dvc(clone, "repro")
    assert state(clone) == before


@pytest.mark.parametrize("home", [None, "/nonexistent/home"])
def test_a_stage_needs_no_home_and_any_folder_name_works(clone: Path, home: str | None) -> None:
    folder = clone.rename(clone.with_name("mein Haus, größer 'und' 家 $(x)"))
    before = state(folder)
    given = environment(folder) | {"HOME": home or ""}
    if home is None:
        del given["HOME"]
    for stage in ("fetch", "window") if home else ("fetch", "evaluate"):
        run(folder, "python", "-m", "dvc", "repro", "--force", "-s", stage, env=given)
    assert state(folder) == before


@pytest.mark.skipif(not can("strace", "true"), reason="NO STRACE: a slow disk is not tested")
def test_a_slow_disk_changes_no_result(clone: Path) -> None:
    before = state(clone)
    slow = ["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,rename,write,pwrite64"]
    slow += ["-e", "inject=fsync,rename:delay_enter=300000", "-e", "inject=write:delay_exit=20000"]
    run(clone, "strace", *slow, "python", "-m", "stages.split")
    assert state(clone) == before
