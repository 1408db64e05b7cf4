"""The zip from every kind of source, and what is said and kept where it cannot be had."""

import datetime as dt
import hashlib
import http.server
import io
import json
import random
import signal
import socket
import socketserver
import ssl
import sys
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pooch
import pytest
import trustme
from ruamel.yaml import YAML

from household.core import params, paths
from household.core.errors import UserError
from household.core.params import Params
from household.readings import archive, source
from stages import fetch
from tests.project import SHIPPED, changed

pytestmark = pytest.mark.usefixtures("empty_folder")

ZIPS = paths.RAW / "power"
OLD = b"the zip of an earlier run"
HTML = b"<!DOCTYPE html><html><body>Please log in</body></html>"


def zipped(name: str = archive.TEXT_NAME, seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        # fetch looks at the zip alone; what the text says is for parse.
        target.writestr(name, random.Random(seed).randbytes(2_000).hex())
    return buffer.getvalue()


GOOD = zipped()


def with_fetch(sample: Mapping[str, Any] | None = None, **values: Any) -> Params:
    small = {"seed": 0, "days": 2, "start": dt.date(2006, 12, 16)} | dict(sample or {})
    return changed(
        {f"fetch.{key}": value for key, value in values.items()}
        | {f"fetch.sample.{key}": value for key, value in small.items()}
    )


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def recorded() -> dict[str, Any]:
    record: dict[str, Any] = json.loads(paths.SOURCE.read_text(encoding="utf-8"))
    return record


def only() -> Path:
    """Return the only zip."""
    (path,) = ZIPS.iterdir()
    return path


def held() -> bytes:
    return only().read_bytes()


def said_of(
    source: str, name: str, data: bytes, address: str = "", **others: Any
) -> dict[str, Any]:
    """Return the expected source.json of one zip."""
    address = address or source
    part = {"address": address, "bytes": len(data), "sha256": sha256(data)}
    said = {"source": source, "address": address, "parts": {name: part}}
    return said | {"simulated": False, "licence": None, "citation": None} | others


def refused(given: Params) -> str:
    """Return the error of a run after an earlier good one, whose files must stay."""
    ZIPS.mkdir(parents=True, exist_ok=True)
    (ZIPS / "old.zip").write_bytes(OLD)
    paths.SOURCE.write_bytes(OLD)
    with pytest.raises(UserError) as caught:
        fetch.main(given)
    assert held() == OLD
    assert paths.SOURCE.read_bytes() == OLD
    assert sorted(paths.RAW.parent.iterdir()) == [paths.RAW, paths.SOURCE]
    said = str(caught.value)
    assert "\n" not in said
    return said


class Server:
    """Answers each path with its replies in turn, the last of them for ever."""

    def __init__(self) -> None:
        self.replies: dict[str, list[tuple[int, bytes]]] = {}
        self.moved: dict[str, str] = {}
        self.asked: Counter[str] = Counter()
        self.lost = 0  # bytes that each answer promises and does not send
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                replies = outer.replies.get(self.path, [(404, HTML)])
                status, body = replies[min(outer.asked[self.path], len(replies) - 1)]
                outer.asked[self.path] += 1
                if self.path in outer.moved:
                    status, body = 302, b""
                self.send_response(status)
                if self.path in outer.moved:
                    self.send_header("Location", outer.moved[self.path])
                self.send_header("Content-Length", str(len(body) + outer.lost))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.root = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Start a web server that answers as the test says."""
    # A proxy of the machine would be asked for 127.0.0.1 as well.
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    made = Server()
    thread = threading.Thread(target=made.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.http.shutdown()
    made.http.server_close()
    thread.join()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the seconds between retries instead of waiting."""
    taken: list[float] = []
    monkeypatch.setattr(pooch.core, "time", SimpleNamespace(sleep=taken.append))
    return taken


# A simulated household.


def test_the_sample_has_the_same_bytes_and_describes_itself() -> None:
    fetch.main(with_fetch(source="sample"))
    data, record = held(), paths.SOURCE.read_bytes()
    assert recorded() == said_of(
        "sample",
        "sample.zip",
        data,
        "simulated household, seed 0, 2 days from 2006-12-16",
        simulated=True,
    )
    fetch.main(with_fetch(source="sample"))
    assert held() == data
    assert paths.SOURCE.read_bytes() == record
    with archive.open_text(only()) as text:
        assert len(text.readlines()) == 1 + 2 * 1440


@pytest.mark.parametrize("sample", [{"seed": 1}, {"days": 2.5}, {"start": "2006-12-17"}])
def test_another_sample_is_other_bytes_and_another_name(sample: dict[str, Any]) -> None:
    fetch.main(with_fetch())
    first = recorded()
    fetch.main(with_fetch(sample=sample))
    assert recorded()["parts"] != first["parts"]
    assert recorded()["address"] != first["address"]


def test_a_sample_shorter_than_a_minute_is_refused(tmp_path: Path) -> None:
    # Whether the parameter's range or the stage says so.
    values = YAML(typ="safe").load(SHIPPED)
    values["fetch"]["sample"]["days"] = 0.0003
    YAML(typ="safe").dump(values, tmp_path / "params.yaml")
    with pytest.raises(UserError, match="days"):
        fetch.main(params.load())


def test_a_sample_of_one_minute_is_a_sample() -> None:
    fetch.main(with_fetch(sample={"days": 1 / 1440}))
    with archive.open_text(only()) as text:
        assert len(text.readlines()) == 2


# A file.


@pytest.mark.parametrize("absolute", [True, False])
def test_a_local_zip_is_copied_and_recorded(tmp_path: Path, absolute: bool) -> None:
    path = Path("here/my power.zip")
    path.parent.mkdir()
    path.write_bytes(GOOD)
    given = str(tmp_path / path) if absolute else str(path)
    fetch.main(with_fetch(source=given))
    assert held() == GOOD
    assert path.read_bytes() == GOOD
    assert recorded() == said_of(given, "my_power.zip", GOOD)


def test_a_path_may_begin_with_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.zip").write_bytes(GOOD)
    fetch.main(with_fetch(source="~/mine.zip"))
    assert held() == GOOD


@pytest.mark.parametrize("missing", ["no/such.zip", "samples", "ftp://example.org/p.zip"])
def test_a_missing_source_names_the_valid_kinds(missing: str) -> None:
    said = refused(with_fetch(source=missing))
    assert said.startswith(f"fetch.source: no file at {missing}; use sample, uci, a URL, or ")


# Several.


def test_the_zips_and_texts_of_a_folder_are_copied_and_no_other_files() -> None:
    folder = Path("mine")
    folder.mkdir()
    (folder / "2007 01.zip").write_bytes(GOOD)
    (folder / "2007-02.ZIP").write_bytes(zipped(seed=1))
    (folder / "2007-03.csv").write_bytes(b"a text")
    (folder / "notes.md").write_bytes(b"no record")
    fetch.main(with_fetch(source=["mine"]))
    names = ["2007-02.zip", "2007-03.zip", "2007_01.zip"]
    assert sorted(path.name for path in ZIPS.iterdir()) == names
    assert (ZIPS / "2007_01.zip").read_bytes() == GOOD
    with archive.open_text(ZIPS / "2007-03.zip") as text:
        assert text.read() == b"a text"
    found = recorded()
    assert found["source"] == ["mine"]
    assert found["address"] == "mine/2007 01.zip and 2 more"
    assert {name: part["address"] for name, part in found["parts"].items()} == {
        "2007_01.zip": "mine/2007 01.zip",
        "2007-02.zip": "mine/2007-02.ZIP",
        "2007-03.zip": "mine/2007-03.csv",
    }


def test_each_source_of_a_list_is_fetched(server: Server) -> None:
    fetch.main(with_fetch())
    other = zipped(seed=1)
    server.replies["/a.zip?of=2007"] = [(200, other)]
    Path("b.zip").write_bytes(GOOD)
    given = [f"{server.root}/a.zip?of=2007", "b.zip"]
    fetch.main(with_fetch(source=given))
    assert {path.name: path.read_bytes() for path in ZIPS.iterdir()} == {
        "a.zip": other,
        "b.zip": GOOD,
    }
    assert recorded()["source"] == given


def test_sources_that_cannot_be_combined_are_refused() -> None:
    for name in ("one", "other"):
        Path(name).mkdir()
        Path(name, "a.zip").write_bytes(GOOD)
    Path("empty").mkdir()
    said = refused(with_fetch(source=["one", "other/a.zip"]))
    assert said == "fetch.source: two files are named a.zip; rename one"
    said = refused(with_fetch(source=["one", "sample"], sha256=sha256(GOOD)))
    assert said == "fetch.sha256: checks one zip, but fetch.source gives 2; set it to null"
    said = refused(with_fetch(source="empty"))
    assert said.startswith("fetch.source: no .zip, .csv or .txt in the folder empty; ")
    # The first is good, and the second is not.
    Path("bad.zip").write_bytes(HTML)
    assert refused(with_fetch(source=["one", "bad.zip"])).startswith("bad.zip: ")


@pytest.mark.parametrize("data", [b"", HTML, GOOD[:-30], GOOD[30:]])
def test_a_bad_zip_keeps_the_earlier_one(data: bytes) -> None:
    Path("bad.zip").write_bytes(data)
    assert refused(with_fetch(source="bad.zip")).startswith("bad.zip: ")


def test_the_right_sha256_passes() -> None:
    Path("good.zip").write_bytes(GOOD)
    fetch.main(with_fetch(source="good.zip", sha256=sha256(GOOD)))
    assert recorded()["parts"]["good.zip"]["sha256"] == sha256(GOOD)


def test_a_wrong_sha256_names_both_and_leaves_the_earlier_zip() -> None:
    Path("good.zip").write_bytes(GOOD)
    wanted = sha256(b"")
    said = refused(with_fetch(source="good.zip", sha256=wanted))
    assert said.startswith(f"good.zip: its sha256 is {sha256(GOOD)}, expected {wanted}; ")


def test_fetch_sha256_is_checked_for_the_sample() -> None:
    assert f"expected {'0' * 64}; " in refused(with_fetch(sha256="0" * 64))


# A URL.


def test_a_url_is_fetched_and_recorded(server: Server, pauses: list[float]) -> None:
    server.replies["/power.zip"] = [(200, GOOD)]
    address = f"{server.root}/power.zip"
    fetch.main(with_fetch(source=address, sha256=sha256(GOOD)))
    assert held() == GOOD
    assert recorded() == said_of(address, "power.zip", GOOD)
    assert server.asked == {"/power.zip": 1}
    assert pauses == []


def test_a_new_zip_replaces_the_earlier_one(server: Server) -> None:
    server.replies["/power.zip"] = [(200, GOOD), (200, zipped(seed=1))]
    given = with_fetch(source=f"{server.root}/power.zip")
    fetch.main(given)
    fetch.main(given)
    assert held() == zipped(seed=1)


def test_the_partial_file_of_a_killed_run_is_not_taken_for_the_download(server: Server) -> None:
    server.replies["/power.zip"] = [(200, GOOD)]
    partial = paths.RAW.with_name(f".partial-{paths.RAW.name}-{'0' * 32}")
    partial.mkdir(parents=True)
    for name in ("power.zip", ".partial-power.zip"):
        (partial / name).write_bytes(zipped(seed=1))
    fetch.main(with_fetch(source=f"{server.root}/power.zip"))
    assert held() == GOOD


def test_a_missing_url_is_reported_with_its_status(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "RETRIES", 0)
    address = f"{server.root}/no.zip"
    said = refused(with_fetch(source=address))
    assert said == f"could not download {address} (status 404); {source.OFFLINE}"


def test_a_busy_server_is_retried_after_growing_pauses(server: Server, pauses: list[float]) -> None:
    server.replies["/power.zip"] = [(503, b""), (503, b""), (200, GOOD)]
    fetch.main(with_fetch(source=f"{server.root}/power.zip"))
    assert held() == GOOD
    assert server.asked == {"/power.zip": 3}
    assert len(pauses) == 2
    assert 0 < pauses[0] < pauses[1]


def test_a_server_that_stays_busy_is_an_error(server: Server, pauses: list[float]) -> None:
    server.replies["/power.zip"] = [(503, b"")]
    said = refused(with_fetch(source=f"{server.root}/power.zip"))
    assert "(status 503)" in said
    assert server.asked == {"/power.zip": 1 + source.RETRIES}
    assert len(pauses) == source.RETRIES


def test_a_truncated_download_is_refused(server: Server, pauses: list[float]) -> None:
    server.replies["/power.zip"] = [(200, GOOD)]
    server.lost = 1
    said = refused(with_fetch(source=f"{server.root}/power.zip"))
    assert said.startswith(f"could not download {server.root}/power.zip (")
    assert len(pauses) == source.RETRIES


def test_a_web_page_instead_of_the_zip_is_named_as_such(server: Server) -> None:
    server.replies["/power.zip"] = [(200, HTML)]
    address = f"{server.root}/power.zip"
    said = refused(with_fetch(source=address))
    assert said.startswith(f"{address}: not a zip: it starts with ")
    assert "<!DOCTYPE html>" in said


def test_an_unreachable_server_is_reported_with_the_way_to_work_offline(
    server: Server, pauses: list[float]
) -> None:
    with socket.socket() as taken:
        # Bound and not listening: no other program can take the port meanwhile.
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/power.zip"
        said = refused(with_fetch(source=address))
    assert said == f"could not download {address} (ConnectionError); {source.OFFLINE}"
    assert "set fetch.source to sample" in said
    assert len(pauses) == source.RETRIES
    assert not server.asked


@pytest.mark.parametrize("address", ["http://", "https://:0/x", "http://[::1/power.zip"])
def test_a_malformed_url_is_refused(pauses: list[float], address: str) -> None:
    said = refused(with_fetch(source=address))
    assert said.startswith(f"could not download {address} (")
    assert len(pauses) == source.RETRIES


# A server that is slow, or lies.

HEAD = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: %d\r\n\r\n"
BOUND = 10.0


@contextmanager
def speaking(say: Callable[[socket.socket], None]) -> Iterator[str]:
    """Start a server whose socket is handled by `say`; return its address."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                self.request.recv(65_536)
                say(self.request)
            except OSError:
                pass  # whoever asked has gone

    class Threading(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Threading(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{made.server_address[1]}/power.zip"
        made.shutdown()
        thread.join()


def drip(start: bytes) -> Callable[[socket.socket], None]:
    """Send `start`, and then a byte now and then while someone listens."""

    def say(to: socket.socket) -> None:
        to.sendall(start)
        while True:
            to.sendall(b"x")
            time.sleep(0.05)

    return say


def stall(start: bytes) -> Callable[[socket.socket], None]:
    def say(to: socket.socket) -> None:
        to.sendall(start)
        to.recv(1)  # until the other side hangs up

    return say


def pour(to: socket.socket) -> None:
    to.sendall(HEAD + b"\r\n")
    while True:
        to.sendall(bytes(1 << 16))


@pytest.mark.usefixtures("server", "pauses")
@pytest.mark.parametrize(
    ("say", "reason"),
    [
        pytest.param(stall(b""), "could not download {}", id="silence"),
        pytest.param(stall(HEAD), "could not download {}", id="stall before the body"),
        pytest.param(
            stall(HEAD + LENGTH % len(GOOD) + GOOD[:-9]),
            "could not download {}",
            id="stall in the body",
        ),
        pytest.param(
            drip(HEAD + b"X-Y: "), "{}: not downloaded within", id="trickle before the body"
        ),
        pytest.param(
            drip(HEAD + LENGTH % 10**7), "{}: not downloaded within", id="trickle of the body"
        ),
        pytest.param(pour, "{}: not downloaded within", id="a body without an end"),
        pytest.param(
            lambda to: to.sendall(HEAD + LENGTH % (len(GOOD) - 9) + GOOD),
            "{}: truncated or damaged zip",
            id="a length that is too small",
        ),
        pytest.param(
            lambda to: to.sendall(HEAD + LENGTH % (len(GOOD) + 9) + GOOD),
            "could not download {}",
            id="a length that is too large",
        ),
        pytest.param(
            lambda to: to.sendall(HEAD + b"Content-Encoding: gzip\r\n" + LENGTH % 9 + GOOD[:9]),
            "could not download {}",
            id="another encoding",
        ),
        pytest.param(
            lambda to: to.sendall(b"SSH-2.0-OpenSSH_9.2\r\n"), "could not download {}", id="no HTTP"
        ),
        pytest.param(lambda to: to.close(), "could not download {}", id="hanging up"),
    ],
)
def test_a_slow_or_lying_server_ends_in_one_line_in_bounded_time(
    monkeypatch: pytest.MonkeyPatch, say: Callable[[socket.socket], None], reason: str
) -> None:
    monkeypatch.setattr(source, "READ_SECONDS", 0.2)
    monkeypatch.setattr(source, "DOWNLOAD_TIMEOUT_SECONDS", 2.0)
    with speaking(say) as address:
        begin = time.monotonic()
        said = refused(with_fetch(source=address))
    assert time.monotonic() - begin < BOUND
    assert said.startswith(reason.format(address))
    assert source.OFFLINE in said or "download it again" in said


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no alarm")
def test_the_time_limit_ends_with_the_download(server: Server) -> None:
    server.replies["/power.zip"] = [(200, GOOD)]
    fetch.main(with_fetch(source=f"{server.root}/power.zip"))
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


@pytest.mark.parametrize("status", [404, 429, 500, 503])
def test_a_server_error_is_retried(server: Server, pauses: list[float], status: int) -> None:
    server.replies["/power.zip"] = [(status, HTML), (200, GOOD)]
    fetch.main(with_fetch(source=f"{server.root}/power.zip"))
    assert held() == GOOD
    assert len(pauses) == 1


def test_a_redirect_is_followed(server: Server) -> None:
    server.replies["/power.zip"] = [(200, GOOD)]
    server.moved["/old.zip"] = f"{server.root}/power.zip"
    fetch.main(with_fetch(source=f"{server.root}/old.zip"))
    assert held() == GOOD


@pytest.mark.usefixtures("pauses")
@pytest.mark.parametrize("to", ["/loop.zip", "file:///etc/passwd", "ftp://127.0.0.1/x", "http://"])
def test_a_redirect_to_a_bad_address_is_refused(server: Server, to: str) -> None:
    server.moved["/loop.zip"] = to
    address = f"{server.root}/loop.zip"
    begin = time.monotonic()
    assert refused(with_fetch(source=address)).startswith(f"could not download {address} (")
    assert time.monotonic() - begin < BOUND


@pytest.mark.usefixtures("pauses")
def test_an_untrusted_certificate_is_refused(server: Server) -> None:
    server.replies["/power.zip"] = [(200, GOOD)]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    server.http.socket = context.wrap_socket(server.http.socket, server_side=True)
    address = f"{server.root.replace('http:', 'https:')}/power.zip"
    assert refused(with_fetch(source=address)).startswith(
        f"could not download {address} (SSLError)"
    )
    assert not server.asked


# UCI.


@pytest.fixture
def uci(server: Server, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Point UCI's two addresses at this server; the second has a good zip."""
    addresses = (f"{server.root}/moved.zip", f"{server.root}/uci.zip")
    monkeypatch.setattr(source, "UCI", addresses)
    server.replies["/uci.zip"] = [(200, GOOD)]
    return addresses


def be_ucis(monkeypatch: pytest.MonkeyPatch) -> None:
    member = zipfile.ZipFile(io.BytesIO(GOOD)).getinfo(archive.TEXT_NAME)
    monkeypatch.setattr(archive, "UCI_BYTES", member.file_size)
    monkeypatch.setattr(archive, "UCI_CRC32", member.CRC)


@pytest.mark.usefixtures("pauses")
def test_the_second_address_of_uci_is_tried_after_the_first(
    server: Server, uci: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    be_ucis(monkeypatch)
    fetch.main(with_fetch(source="uci"))
    assert held() == GOOD
    assert recorded() == said_of(
        "uci", "uci.zip", GOOD, uci[1], licence="CC BY 4.0", citation=source.UCI_CITATION
    )
    assert "10.24432/C58K54" in source.UCI_CITATION
    assert server.asked == {"/moved.zip": 1 + source.RETRIES, "/uci.zip": 1}


def test_the_second_address_of_uci_is_not_used_if_the_first_answers(
    server: Server, uci: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    be_ucis(monkeypatch)
    server.replies["/moved.zip"] = [(200, GOOD)]
    fetch.main(with_fetch(source="uci"))
    assert recorded()["address"] == uci[0]
    assert server.asked == {"/moved.zip": 1}


@pytest.mark.usefixtures("pauses")
def test_another_zip_is_not_accepted_as_ucis(uci: tuple[str, str]) -> None:
    said = refused(with_fetch(source="uci"))
    assert said == f"{uci[1]}: not the data set published in 2012; {source.OFFLINE}"


@pytest.mark.usefixtures("pauses")
def test_if_no_address_of_uci_answers_each_is_named(server: Server, uci: tuple[str, str]) -> None:
    server.replies["/uci.zip"] = [(500, b"")]
    said = refused(with_fetch(source="uci"))
    assert said == (
        f"could not download {uci[0]} (status 404) or {uci[1]} (status 500); {source.OFFLINE}"
    )


def test_ucis_text_has_its_licence_wherever_it_comes_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    be_ucis(monkeypatch)
    Path("good.zip").write_bytes(GOOD)
    fetch.main(with_fetch(source="good.zip"))
    assert recorded()["source"] == "good.zip"
    assert recorded()["licence"] == source.UCI_LICENCE
    assert recorded()["citation"] == source.UCI_CITATION
