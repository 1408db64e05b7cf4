"""Where the zips come from: simulated here, copied from a path, or downloaded."""

import re
import shutil
import signal
import sys
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from glob import glob, has_magic
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from household.meter import archive, meters, simulator
from household.pipeline import files
from household.pipeline.failure import Failure
from household.pipeline.params import Fetch, Sample

UCI = (
    "https://archive.ics.uci.edu/static/public/235/"
    "individual+household+electric+power+consumption.zip",
    "https://archive.ics.uci.edu/ml/machine-learning-databases/00235/"
    "household_power_consumption.zip",
)
UCI_LICENCE = "CC BY 4.0"
UCI_CITATION = (
    "Hebrail, G. and Berard, A. (2012). Individual Household Electric Power Consumption "
    "[Dataset]. UCI Machine Learning Repository. https://doi.org/10.24432/C58K54"
)
OFFLINE = "without a network set fetch.source to sample, or to the path of a zip that you have"

CONNECT_SECONDS, READ_SECONDS = 10, 30
RETRIES = 3
# For all of it, retries included: the 20 MB of UCI's zip at 12 kB a second.
WHOLE_SECONDS = 1800.0
BLOCK_BYTES = 1 << 20
LINE_BYTES = 200  # more than any line of the simulated household, and its header


def fetch(settings: Fetch, folder: Path) -> dict[str, Any]:
    """Writes the zips that `settings` ask for to `folder`, verified; returns where they are from.

    Raises Failure where there is none, where one is not what was asked for, or no archive of
    minutes.
    """
    given = settings.source
    several = [given] if isinstance(given, str) else given
    sources = [each for source in several for each in _each(source, settings.sample)]
    if settings.sha256 and len(sources) > 1:
        raise Failure(f"fetch.sha256: of one zip, but fetch.source gives {len(sources)}; clear it")
    if settings.meters == "each" or settings.sample.households > 1:
        folder /= meters.FOLDER
    parts: dict[str, dict[str, Any]] = {}
    uci = False
    for source, household in sources:
        name = zip_name(source if household is None else f"{source}_{household:04}")
        if name in parts:
            raise Failure(f"fetch.source: two would be data/raw/power/{name}; rename one of them")
        with files.atomic_write(folder / name) as path:
            address = bring(source, settings.sample, path, household or 0)
            archive.verify(path, address)
            is_uci = archive.is_uci(path)
            if source == "uci" and not is_uci:
                raise Failure(f"{address}: not the data set as published in 2012; {OFFLINE}")
            sha256 = files.sha256(path)
            if settings.sha256 not in (None, sha256):
                raise Failure(
                    f"{address}: its sha256 is {sha256}, expected {settings.sha256}; "
                    "fetch the right file, or change or clear fetch.sha256"
                )
            parts[name] = {"address": address, "bytes": path.stat().st_size, "sha256": sha256}
        uci |= is_uci
    first, *others = (part["address"] for part in parts.values())
    return {
        "source": given,
        "address": f"{first} and {len(others)} more" if others else first,
        "parts": parts,
        "simulated": "sample" in several,
        "licence": UCI_LICENCE if uci else None,
        "citation": UCI_CITATION if uci else None,
    }


class Asked(NamedTuple):
    """One zip."""

    source: str
    household: int | None = None  # of several that are simulated, which


def _each(source: str, sample: Sample) -> list[Asked]:
    """The zips and texts that `source` asks for: in a folder, of a pattern, or itself."""
    path = Path(source).expanduser()
    if source == "sample" and sample.households > 1:
        return [Asked(source, household) for household in range(sample.households)]
    if source in ("sample", "uci") or path.is_file() or re.match("https?://", source):
        return [Asked(source)]
    if path.is_dir():
        found = sorted(str(each) for each in path.iterdir())
    elif has_magic(source):
        found = sorted(glob(str(path)))  # noqa: PTH207 (of a path with wildcards in its folders)
    else:
        return [Asked(source)]
    held = [Asked(each) for each in found if Path(each).suffix.lower() in (".zip", *archive.TEXTS)]
    if not held:
        where = f"the folder {source}" if path.is_dir() else source
        raise Failure(f"fetch.source: no .zip, .csv or .txt in {where}; put some there")
    return held


def zip_name(source: str) -> str:
    """What the zip of `source` is called here: as it is there, where that is a plain name."""
    stem = PurePosixPath(source.split("?", maxsplit=1)[0]).stem
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '_', stem)[:100] or 'power'}.zip"


def bring(source: str, sample: Sample, zip_path: Path, household: int = 0) -> str:
    """Writes the zip of `source` to `zip_path`; returns what to call where it is from."""
    if source == "sample":
        return simulate(sample, zip_path, household)
    if source == "uci":
        return download(UCI, zip_path)
    if source.startswith(("http://", "https://")):
        return download([source], zip_path)
    return copy(source, zip_path)


def simulate(sample: Sample, zip_path: Path, household: int = 0) -> str:
    """Writes a simulated household of the same layout to `zip_path`; returns what to call it."""
    minutes = simulator.simulate(
        seed=sample.seed, days=sample.days, start=sample.start, household=household
    )
    # Stored, since builds of zlib differ in what they deflate to.
    with zipfile.ZipFile(zip_path, "w", zipfile.ZIP_STORED) as zipped:
        most = len(minutes.missing) * LINE_BYTES
        _write_member(zipped, archive.MEMBER, simulator.text(minutes), most)
    which = f" {household}" if household else ""
    return (
        f"simulated household{which}, seed {sample.seed}, {sample.days:g} days from {sample.start}"
    )


def download(addresses: Sequence[str], zip_path: Path) -> str:
    """Fetches the first of `addresses` that answers into `zip_path`; returns that address.

    Raises Failure when none does, after retries with a growing pause, and when WHOLE_SECONDS are
    over.
    """
    with _within(WHOLE_SECONDS, " and ".join(addresses)):
        return _first(addresses, zip_path)


@contextmanager
def _within(seconds: float, waited_for: str) -> Iterator[None]:
    """Raises Failure in the block once `seconds` are over.

    A limit between two bytes is none on a server that sends a byte now and then, be it of the body
    or before it.
    """

    def over(*_: object) -> None:
        raise Failure(
            f"{waited_for}: not here after {seconds / 60:g} minutes; try again later; {OFFLINE}"
        )

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _first(addresses: Sequence[str], zip_path: Path) -> str:
    # Whoever needs no network waits for neither.
    import pooch  # noqa: PLC0415
    import requests  # noqa: PLC0415

    refused = []
    for address in addresses:
        fetcher = pooch.create(
            path=zip_path.parent,
            base_url="",
            registry={zip_path.name: None},
            urls={zip_path.name: address},
            retry_if_failed=RETRIES,
        )
        by_http = pooch.HTTPDownloader(
            progressbar=sys.stderr.isatty(), timeout=(CONNECT_SECONDS, READ_SECONDS)
        )
        try:
            fetcher.fetch(zip_path.name, downloader=by_http)
        except (requests.RequestException, ValueError) as error:
            refused.append(f"{address} ({_reason(error)})")
        else:
            return address
    raise Failure(f"no answer from {' nor '.join(refused)}; {OFFLINE}")


def _reason(error: Exception) -> str:
    response = getattr(error, "response", None)
    return type(error).__name__ if response is None else f"status {response.status_code}"


def copy(source: str, zip_path: Path) -> str:
    """Copies the zip at the path `source` to `zip_path`, or zips a text there; returns the path."""
    path = Path(source).expanduser()
    if not path.is_file():
        raise Failure(
            f"fetch.source: no file at {source}; give sample, uci, a URL, or the path of a zip, "
            "a .csv or a folder of them (absolute for a queued experiment, which runs in a folder "
            "of its own)"
        )
    # A text is zipped as it is, under its own name.
    if path.suffix.lower() in archive.TEXTS:
        with zipfile.ZipFile(zip_path, "w", zipfile.ZIP_STORED) as zipped, path.open("rb") as text:
            blocks = iter(lambda: text.read(BLOCK_BYTES), b"")
            _write_member(zipped, path.name, blocks, path.stat().st_size)
    else:
        shutil.copyfile(path, zip_path)
    return source


def _write_member(zipped: zipfile.ZipFile, name: str, blocks: Iterable[bytes], most: int) -> None:
    """Writes at most `most` bytes as the member `name`, dated at zip's own epoch.

    So the same text is the same bytes on every machine, but for those of 2 GiB and more: builds of
    Python differ in how they write the sizes of such a member.
    """
    large = most > zipfile.ZIP64_LIMIT
    with zipped.open(zipfile.ZipInfo(name), "w", force_zip64=large) as member:
        for block in blocks:
            member.write(block)
