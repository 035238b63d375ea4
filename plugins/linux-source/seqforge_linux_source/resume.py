"""Downloads that go on where they stopped (RFC 9110, section 14: range requests)."""

import re
import sys
from pathlib import Path
from typing import Any

import requests
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

_TIMEOUT = (10, 60)
"""Seconds until a server must be reached, and between two pieces of an answer."""

_PIECE_SIZE = 1 << 16
"""Bytes received at once; what an interruption loses at most."""

_LARGEST_DOWNLOAD = 1 << 30
"""Bytes; a release of Linux has about 150 MB."""


class InterruptedDownloadError(Exception):
    """A download that stopped, and of which the part that came is kept."""


def download_on(url: str, output_file: str, _pooch: Any) -> None:
    """Fetch a file, beginning at the end of what came before; a downloader for pooch.

    What came is kept beside the output under the file's own name and `.part` until it is whole. Only one process
    may fetch a file at a time.

    Args:
        url: Where from.
        output_file: Where to; pooch compares its hash afterwards, and deletes it where that is another.

    Raises:
        InterruptedDownloadError: Where the answer stops early.
        requests.RequestException: Where the server cannot be reached, or refuses.
    """
    part = Path(output_file).parent / f"{url.rpartition('/')[2]}.part"
    done = part.stat().st_size if part.exists() else 0
    response = _request(url, done)
    if _nothing_follows(response) and _whole_size(response) != done:
        # What came before is longer than the file, and so is no part of it.
        response.close()
        done = 0
        response = _request(url, done)
    with response:
        if not (done and _nothing_follows(response)):
            response.raise_for_status()
            goes_on = response.headers.get("Content-Range", "").startswith(f"bytes {done}-")
            _receive(response, part, done if response.status_code == requests.codes.partial and goes_on else 0)
    part.replace(output_file)


def _request(url: str, start: int) -> requests.Response:
    # Without "identity" a server may compress the answer, and the range would be one of the compressed bytes.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    return requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT)


def _nothing_follows(response: requests.Response) -> bool:
    return response.status_code == requests.codes.requested_range_not_satisfiable


def _whole_size(response: requests.Response) -> int | None:
    found = re.fullmatch(r"bytes \*/(\d{1,15})", response.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _receive(response: requests.Response, part: Path, done: int) -> None:
    length = response.headers.get("Content-Length", "")
    total = done + int(length) if re.fullmatch(r"\d{1,15}", length) else None
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    )  # fmt: skip
    with (
        Progress(*columns, console=console, disable=not sys.stderr.isatty()) as progress,
        part.open("ab" if done else "wb") as file,
    ):
        task = progress.add_task(part.stem, total=total, completed=done)
        try:
            for piece in response.iter_content(_PIECE_SIZE):
                done += len(piece)
                if done > _LARGEST_DOWNLOAD:
                    part.unlink()
                    raise requests.RequestException(f"more than {_LARGEST_DOWNLOAD:,} bytes came")
                file.write(piece)
                progress.update(task, completed=done)
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            raise InterruptedDownloadError(f"the connection was lost after {done:,} bytes") from error
    if total is not None and done < total:
        raise InterruptedDownloadError(f"the answer ended after {done:,} of {total:,} bytes")
