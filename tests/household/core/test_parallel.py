"""The work of many meters in processes and on a real cluster of Dask, with workers that fail."""

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import trustme

from household.core import arithmetic, files, meters, parallel, paths
from household.core.errors import UserError
from tests.clones import change, dvc
from tests.project import ROOT
from tests.shell import environment, run

ITEMS = list(range(30))


def slow(log: Path, item: int) -> int:
    """Return the square of `item`, and log each attempt."""
    with log.open("a") as lines:
        lines.write(f"{item} {os.getpid()}\n")
    time.sleep(0.05)
    return item * item


def fails(item: int) -> int:
    if item == 7:
        raise UserError(f"{item} is bad")
    return item


def ends(item: int) -> int:
    if item == 7:
        os._exit(1)
    return item


class Cluster:
    """A scheduler, and workers that are started in a folder."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._options = options
        self._folder, self.at_work = folder, list[subprocess.Popen[bytes]]()
        self._file = folder / "scheduler.json"
        protocol = ["--protocol", "tls"] if options else []
        self.scheduler = self._start(
            ROOT, "scheduler", "--host", "127.0.0.1", "--port", "0", *protocol
        )
        waits = time.monotonic() + 30
        # It is there before anything is written to it.
        while not (self._file.exists() and self._file.stat().st_size) and time.monotonic() < waits:
            time.sleep(0.05)
        self.address: str = json.loads(self._file.read_text())["address"]

    def _start(self, where: Path, kind: str, *options: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "dask", kind, "--no-dashboard", *self._options, *options]
        with (self._folder / f"{kind}.log").open("ab") as log:
            return subprocess.Popen(
                [*command, "--scheduler-file", str(self._file)],
                cwd=where,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def worker(self, where: Path = ROOT, nanny: str = "--no-nanny") -> None:
        options = ["--nthreads", "1", *nanny.split(), "--death-timeout", "20"]
        options += ["--local-directory", str(self._folder)]
        self.at_work.append(self._start(where, "worker", *options))

    def close(self) -> None:
        for process in [*self.at_work, self.scheduler]:
            process.kill()
            process.wait()


@contextmanager
def started(folder: Path, count: int, *options: str) -> Iterator[Cluster]:
    cluster = Cluster(folder, *options)
    try:
        for _ in range(count):
            cluster.worker()
        yield cluster
    finally:
        cluster.close()


@pytest.fixture(autouse=True)
def no_client_is_left() -> Iterator[None]:
    """Collect failed clients, which would otherwise delay the start of the next one."""
    yield
    gc.collect()


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    with started(tmp_path, 2) as made:
        monkeypatch.setenv(parallel.CLUSTER, made.address)
        yield made


def attempts(log: Path) -> dict[int, list[int]]:
    """Return the processes that began each item, in order."""
    begun: dict[int, list[int]] = {}
    for item, process in (map(int, line.split()) for line in log.read_text().splitlines()):
        begun.setdefault(item, []).append(process)
    return begun


@pytest.mark.slow
def test_only_unfetched_results_of_a_killed_worker_are_computed_again(
    cluster: Cluster, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    results = parallel.map_items(partial(slow, log), ITEMS, "test")
    found = [next(results) for _ in range(5)]
    *_, (*_, last) = attempts(log).values()
    (victim,) = (worker for worker in cluster.at_work if worker.pid == last)
    victim.kill()
    assert [*found, *results] == [item * item for item in ITEMS]
    begun = attempts(log)
    assert any(victim.pid in processes for processes in begun.values())
    assert all(len(begun[item]) == 1 for item in range(5))
    # Each of those that were begun again was begun by the victim first.
    again = [processes for processes in begun.values() if len(processes) > 1]
    assert all(processes[0] == victim.pid and len(processes) == 2 for processes in again)


def test_an_exception_on_the_cluster_reaches_the_client(cluster: Cluster) -> None:
    with pytest.raises(UserError, match=r"^7 is bad$"):
        list(parallel.map_items(fails, ITEMS, "test"))
    assert list(parallel.map_items(fails, ITEMS[:3], "test")) == ITEMS[:3]
    assert all(each.poll() is None for each in cluster.at_work)


@pytest.mark.slow
def test_an_item_that_kills_every_worker_is_one_line(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        cluster.worker()
    monkeypatch.setattr(parallel, "CONNECT_SECONDS", 20)
    with pytest.raises(UserError, match=r"workers died on the same meter, possibly out of mem"):
        list(parallel.map_items(ends, ITEMS, "test"))


@pytest.mark.slow
def test_a_lost_scheduler_is_one_line_in_bounded_time(cluster: Cluster, tmp_path: Path) -> None:
    results = parallel.map_items(partial(slow, tmp_path / "log"), ITEMS, "test")
    next(results)
    os.killpg(cluster.scheduler.pid, signal.SIGKILL)
    begin = time.monotonic()
    with pytest.raises(UserError, match=r"lost connection to the scheduler; restart it, or unset"):
        list(results)
    assert time.monotonic() - begin < 60


def test_a_missing_scheduler_or_worker_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "CONNECT_SECONDS", 2)
    for address in ("tcp://127.0.0.1:9", "nowhere", "http://127.0.0.1:9"):
        monkeypatch.setenv(parallel.CLUSTER, address)
        with pytest.raises(UserError, match=f"no Dask scheduler at {address}"):
            list(parallel.map_items(fails, [1, 2], "test"))
        gc.collect()
    with started(tmp_path, 0) as cluster:
        monkeypatch.setenv(parallel.CLUSTER, cluster.address)
        with pytest.raises(UserError, match="no worker connected within 2 seconds; start some"):
            list(parallel.map_items(fails, [1, 2], "test"))


def test_missing_dask_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(parallel.CLUSTER, "tcp://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UserError, match=r"asks for Dask: .* lock/cluster.txt"):
        list(parallel.map_items(fails, [1, 2], "test"))


@pytest.mark.slow
def test_a_worker_with_other_code_or_another_folder_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    shutil.copytree(ROOT / "household", other / "household")
    shutil.copytree(ROOT / "tests", other / "tests")
    (other / "household/another.py").write_text("# another\n")
    with started(tmp_path, 0) as cluster:
        monkeypatch.setenv(parallel.CLUSTER, cluster.address)
        cluster.worker(other)
        with pytest.raises(UserError, match=r"^a worker has code .*, expected code .*lock"):
            list(parallel.map_items(fails, [1, 2], "test"))
        cluster.at_work[0].kill()
        cluster.at_work[0].wait()
        # Where the project is installed, a worker finds it from any folder.
        cluster.worker(Path("/"))
        assert list(parallel.map_items(fails, [1, 2], "test")) == [1, 2]
        cluster.at_work[1].kill()
        cluster.at_work[1].wait()
        monkeypatch.setattr(parallel, "CONNECT_SECONDS", 3)
        without = tmp_path / "without"
        without.mkdir()
        (without / "household.py").write_text("raise ModuleNotFoundError('household')\n")
        cluster.worker(without)
        with pytest.raises(UserError, match=r"no worker left at .*; start some in this folder"):
            list(parallel.map_items(fails, [1, 2], "test"))


@pytest.mark.slow
@pytest.mark.skipif(not arithmetic.has_avx2(), reason="NO AVX2: the arithmetic is not tested")
def test_a_worker_that_rounds_differently_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dask imports NumPy in a worker before `household` can set how it computes."""
    with started(tmp_path, 0) as cluster:
        monkeypatch.setenv(parallel.CLUSTER, cluster.address)
        with monkeypatch.context() as environment:
            for name in arithmetic.PINS:
                environment.delenv(name)
            cluster.worker()
            with pytest.raises(
                UserError, match=r"a worker rounds differently .*--preload-nanny household"
            ):
                list(parallel.map_items(fails, [1, 2], "test"))
            cluster.at_work[0].kill()
            cluster.at_work[0].wait()
            cluster.worker(nanny="--nanny --preload-nanny household")
        assert list(parallel.map_items(fails, [1, 2], "test")) == [1, 2]
        # A nanny that is killed would leave its worker.
        cluster.at_work[1].terminate()
        cluster.at_work[1].wait(30)


def test_a_dead_process_of_the_pool_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    with pytest.raises(UserError, match=r"a worker process died.*run again"):
        list(parallel.map_items(ends, ITEMS, "test"))


@pytest.mark.slow(seconds=40)
def test_a_stage_that_ran_on_a_cluster_is_up_to_date_without_one(
    clone: Path, tmp_path: Path
) -> None:
    change(clone, fetch__sample__meters=3)
    dvc(clone, "repro")
    lock = (clone / "dvc.lock").read_bytes()
    made = {path: path.read_bytes() for path in (clone / "reports").rglob("*") if path.is_file()}
    made |= {path: path.read_bytes() for path in (clone / "data").rglob("*") if path.is_file()}
    with started(tmp_path, 0) as own:
        for _ in range(2):
            own.worker(clone)
        env = environment(clone) | {parallel.CLUSTER: own.address}
        stages = ("parse", "window", "evaluate")
        run(clone, "python", "-m", "dvc", "repro", "--force", "-s", *stages, env=env)
        search = ["--trials", "2", "--workers", "1", "train.learning_rate=0.01:0.02"]
        run(clone, "python", "-m", "household", "search", *search, env=env)
    dvc(clone, "status", "--quiet")
    assert len((clone / "reports/search/trials.csv").read_text().splitlines()) >= 1 + 2
    assert (clone / "dvc.lock").read_bytes() == lock
    assert {path: path.read_bytes() for path in made} == made
    assert list(meters.by_name(clone / paths.TEST)) == [
        f"sample_{number:04}" for number in range(3)
    ]
    assert files.read_json(clone / paths.METRICS)["meters"]["in_training"]["meters"] == 3


SECURE = """
import sys
from tests.household.core.test_parallel import ITEMS, fails
from household.core import parallel
parallel.CONNECT_SECONDS = float(sys.argv[1])
print(list(parallel.map_items(fails, ITEMS[:5], "test")))
"""


@pytest.mark.slow
def test_a_cluster_with_tls_accepts_clients_with_its_certificate(tmp_path: Path) -> None:
    authority = trustme.CA()
    paths_of = {name: tmp_path / f"{name}.pem" for name in ("ca", "cert", "key")}
    authority.cert_pem.write_to_path(str(paths_of["ca"]))
    own = authority.issue_cert("127.0.0.1")
    own.private_key_pem.write_to_path(str(paths_of["key"]))
    own.cert_chain_pems[0].write_to_path(str(paths_of["cert"]))
    names = {"ca": "ca-file", "cert": "cert", "key": "key"}
    options = [
        part for name, path in paths_of.items() for part in (f"--tls-{names[name]}", str(path))
    ]
    with started(tmp_path, 1, *options) as cluster:
        assert cluster.address.startswith("tls://")
        tls = "DASK_DISTRIBUTED__COMM__TLS"
        certificate = {
            f"{tls}__CA_FILE": str(paths_of["ca"]),
            f"{tls}__CLIENT__CERT": str(paths_of["cert"]),
            f"{tls}__CLIENT__KEY": str(paths_of["key"]),
        }
        given = os.environ | {parallel.CLUSTER: cluster.address}
        command = [sys.executable, "-c", SECURE]
        done = subprocess.run(
            [*command, "60"],
            cwd=ROOT,
            env=given | certificate,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == "[0, 1, 2, 3, 4]\n"
        refused = subprocess.run(
            [*command, "2"], cwd=ROOT, env=given, capture_output=True, text=True, check=False
        )
        assert refused.returncode
        assert "UserError: HOUSEHOLD_CLUSTER: no Dask scheduler at tls://" in refused.stderr
