"""Storage that speaks S3, by a server of the test's own and the commands that people type."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import EndpointConnectionError
from ruamel.yaml import YAML

from household.core import paths
from tests.clones import UP_TO_DATE, commit, dvc, stages_run
from tests.shell import run

# Of boto3, on what it does itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
BUCKET = "household"


@pytest.fixture(scope="module")
def s3_address() -> Iterator[str]:
    """Start a server that speaks S3, which takes seconds; return its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        yield f"http://127.0.0.1:{port}"
        server.terminate()


@pytest.fixture(scope="module")
def s3_client(s3_address: str) -> BaseClient:
    """Return a client of that server, with a bucket."""
    client = boto3.client(
        "s3",
        endpoint_url=s3_address,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    for _ in range(120):
        try:
            client.create_bucket(Bucket=BUCKET)
            break
        except EndpointConnectionError:
            time.sleep(0.5)
    return client


@pytest.fixture
def pushed_clone(clone: Path, s3_client: BaseClient) -> Path:
    """Return a clone that has pushed its files, set up by the commands of README."""
    dvc(clone, "remote", "add", "--default", "store", f"s3://{BUCKET}/dvc")
    dvc(clone, "remote", "modify", "store", "verify", "true")
    dvc(clone, "remote", "modify", "store", "endpointurl", s3_client.meta.endpoint_url)
    dvc(clone, "remote", "modify", "store", "region", "us-east-1")
    # No secrets; a person has theirs in the environment, or in .dvc/config.local.
    dvc(clone, "remote", "modify", "store", "access_key_id", "a")
    dvc(clone, "remote", "modify", "store", "secret_access_key", "b")
    commit(clone)
    assert "files pushed" in dvc(clone, "push")
    assert "Everything is up to date" in dvc(clone, "push")
    return clone


def outputs(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for name in ("data", "models", "reports")
        for path in (folder / name).rglob("*")
        if path.is_file()
    }


def object_key(md5: str) -> str:
    return f"dvc/files/md5/{md5[:2]}/{md5[2:]}"


def read_object(client: BaseClient, md5: str) -> bytes:
    data: bytes = client.get_object(Bucket=BUCKET, Key=object_key(md5))["Body"].read()
    return data


@pytest.mark.slow
def test_a_clone_pulls_what_was_pushed_and_names_a_corrupted_object(
    pushed_clone: Path, s3_client: BaseClient, tmp_path: Path
) -> None:
    for name, commands in {"one": [["pull"], ["repro"]], "two": [["repro", "--pull"]]}.items():
        run(tmp_path, "git", "clone", "--quiet", str(pushed_clone), name)
        other = tmp_path / name
        assert not (other / "models").exists()
        for command in commands:
            assert stages_run(dvc(other, *command)) == []
        assert UP_TO_DATE in dvc(other, "status")
        assert outputs(other) == outputs(pushed_clone)

    lock = YAML(typ="safe").load(pushed_clone / "dvc.lock")["stages"]
    (md5,) = (out["md5"] for out in lock["split"]["outs"] if out["path"] == str(paths.TEST))
    (entry,) = json.loads(read_object(s3_client, md5))
    key = object_key(entry["md5"])
    good = read_object(s3_client, entry["md5"])
    s3_client.put_object(Bucket=BUCKET, Key=key, Body=bytes(len(good)))
    run(tmp_path, "git", "clone", "--quiet", str(pushed_clone), "three")
    said = dvc(tmp_path / "three", "pull", fails=True)
    assert str(paths.TEST) in said
    assert not (tmp_path / "three" / paths.TEST / entry["relpath"]).exists()
    # What is there of the rest makes it again, with the same bytes.
    assert "split" in stages_run(dvc(tmp_path / "three", "repro"))
    assert outputs(tmp_path / "three") == outputs(pushed_clone)
