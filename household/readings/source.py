"""Bring the zips of the source here: simulate, copy or download them."""

import re
import signal
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from glob import glob, has_magic
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from household.core import files, meters
from household.core.errors import UserError
from household.core.params import FetchParams, SampleParams
from household.core.progress_bar import progress_bar
from household.readings import archive, pack, simulator, uci_writer

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
OFFLINE = "to work offline set fetch.source to sample or to a local zip"

CONNECT_SECONDS, READ_SECONDS = 10, 30
RETRIES = 3
# For the whole download, retries included: UCI's 20 MB at 12 kB a second.
DOWNLOAD_TIMEOUT_SECONDS = 1800.0
LINE_BYTES = 200  # more than any line of the simulated text


def fetch(settings: FetchParams, folder: Path) -> dict[str, Any]:
    """Write the zips of `fetch.source` to a folder for each meter and verify them.

    Args:
        settings: The parameters of the fetch stage.
        folder: Where to write the folders.

    Returns:
        The record of the source: addresses, sizes, hashes and licence.

    Raises:
        UserError: A zip is not available, not the expected one, or not an archive of readings.
    """
    source_setting = settings.source
    listed = [source_setting] if isinstance(source_setting, str) else source_setting
    sources = [zip_source for source in listed for zip_source in _expand(source, settings.sample)]
    if settings.sha256 and len(sources) > 1:
        raise UserError(
            f"fetch.sha256: checks one zip, but fetch.source gives {len(sources)}; set it to null"
        )
    one_meter_per_file = settings.one_meter_per_file or settings.sample.meters > 1
    parts: dict[str, dict[str, Any]] = {}
    uci = False
    for source, household in sources:
        name = zip_name(source if household is None else f"{source}_{household:04}")
        if name in parts:
            raise UserError(f"fetch.source: two files are named {name}; rename one")
        meter = Path(name).stem if one_meter_per_file else meters.ONE
        with files.atomic_write(folder / meter / name) as path:
            address = fetch_one(source, settings.sample, path, household=household or 0)
            archive.verify(path, address)
            is_uci = archive.is_uci(path)
            if source == "uci" and not is_uci:
                raise UserError(f"{address}: not the data set published in 2012; {OFFLINE}")
            sha256 = files.sha256(path)
            if settings.sha256 not in (None, sha256):
                raise UserError(
                    f"{address}: its sha256 is {sha256}, expected {settings.sha256}; "
                    "download the right file, or change fetch.sha256 or set it to null"
                )
            parts[name] = {"address": address, "bytes": path.stat().st_size, "sha256": sha256}
        uci |= is_uci
    first, *others = (part["address"] for part in parts.values())
    return {
        "source": source_setting,
        "address": f"{first} and {len(others)} more" if others else first,
        "parts": parts,
        "simulated": "sample" in listed,
        "licence": UCI_LICENCE if uci else None,
        "citation": UCI_CITATION if uci else None,
    }


class Source(NamedTuple):
    """Name one zip.

    Attributes:
        source: `sample`, `uci`, a path or a URL.
        household: The index of a simulated household, None if there is only one.
    """

    source: str
    household: int | None = None


def _expand(source: str, sample: SampleParams) -> list[Source]:
    """Return the files that `source` names: in a folder, by a pattern, or itself."""
    path = Path(source).expanduser()
    if source == "sample" and sample.meters > 1:
        return [Source(source, household) for household in range(sample.meters)]
    if source in ("sample", "uci") or path.is_file() or re.match("https?://", source):
        return [Source(source)]
    if path.is_dir():
        names = sorted(str(name) for name in path.iterdir())
    elif has_magic(source):
        names = sorted(glob(str(path)))  # noqa: PTH207 (its folders may hold wildcards)
    else:
        return [Source(source)]
    sources = [Source(name) for name in names if Path(name).suffix.lower() in archive.SUFFIXES]
    if not sources:
        where = f"the folder {source}" if path.is_dir() else source
        raise UserError(f"fetch.source: no .zip, .csv or .txt in {where}; add some")
    return sources


def zip_name(source: str) -> str:
    """Return the file name for the zip of `source`: its own, reduced to plain characters."""
    stem = PurePosixPath(source.split("?", maxsplit=1)[0]).stem
    return f"{meters.plain_name(stem, default='power')}.zip"


def fetch_one(source: str, sample: SampleParams, zip_path: Path, *, household: int = 0) -> str:
    """Write the zip of `source` to `zip_path`.

    Args:
        source: `sample`, `uci`, a path or a URL.
        sample: The parameters of the simulated data.
        zip_path: Where to write.
        household: The index of the simulated household.

    Returns:
        The address of the source, for people.

    Raises:
        UserError: The source is not available.
    """
    if source == "sample":
        return simulate(sample, zip_path, household)
    if source == "uci":
        return download(UCI, zip_path)
    if source.startswith(("http://", "https://")):
        return download([source], zip_path)
    return pack.copy_or_zip(source, zip_path)


def simulate(sample: SampleParams, zip_path: Path, household: int = 0) -> str:
    """Write the text of a simulated household to a zip at `zip_path`.

    Args:
        sample: The parameters of the simulated data.
        zip_path: Where to write.
        household: The index of the household.

    Returns:
        A description of the household.
    """
    minutes = simulator.simulate(
        seed=sample.seed, days=sample.days, start=sample.start, household=household
    )
    # Stored, since builds of zlib compress to different bytes.
    with zipfile.ZipFile(zip_path, "w", zipfile.ZIP_STORED) as zipped:
        max_bytes = len(minutes.missing) * LINE_BYTES
        pack.write_member(
            zipped, archive.TEXT_NAME, uci_writer.to_uci_text(minutes), max_bytes=max_bytes
        )
    suffix = f" {household}" if household else ""
    return (
        f"simulated household{suffix}, seed {sample.seed}, {sample.days:g} days from {sample.start}"
    )


def download(addresses: Sequence[str], zip_path: Path) -> str:
    """Download the first of `addresses` that answers to `zip_path`; return that address.

    Raises:
        UserError: None answers after several retries, or the download takes longer than
            DOWNLOAD_TIMEOUT_SECONDS.
    """
    with _time_limit(DOWNLOAD_TIMEOUT_SECONDS, " and ".join(addresses)):
        return _download_first_available(addresses, zip_path)


@contextmanager
def _time_limit(seconds: float, address: str) -> Iterator[None]:
    """Raise UserError in the block once `seconds` have passed.

    A timeout between two bytes does not stop a server that sends a byte now and then. Windows has
    no alarm, so that only the other timeout holds there.
    """

    def give_up(*_: object) -> None:
        raise UserError(
            f"{address}: not downloaded within {seconds / 60:g} minutes; try again later; {OFFLINE}"
        )

    if sys.platform == "win32":
        yield
    else:
        previous = signal.signal(signal.SIGALRM, give_up)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)


def _download_first_available(addresses: Sequence[str], zip_path: Path) -> str:
    # Imported here, so that only a download waits for them.
    import pooch  # noqa: PLC0415
    import requests  # noqa: PLC0415

    failures = []
    for address in addresses:
        fetcher = pooch.create(
            path=zip_path.parent,
            base_url="",
            registry={zip_path.name: None},
            urls={zip_path.name: address},
            retry_if_failed=RETRIES,
        )
        # pooch sets the total, but passes over a bar without one.
        downloader = pooch.HTTPDownloader(
            progressbar=progress_bar("fetch", 1, "B", scale=True),
            timeout=(CONNECT_SECONDS, READ_SECONDS),
        )
        try:
            fetcher.fetch(zip_path.name, downloader=downloader)
        except (requests.RequestException, ValueError) as error:
            failures.append(f"{address} ({_reason(error)})")
        else:
            return address
    raise UserError(f"could not download {' or '.join(failures)}; {OFFLINE}")


def _reason(error: Exception) -> str:
    response = getattr(error, "response", None)
    return type(error).__name__ if response is None else f"status {response.status_code}"
