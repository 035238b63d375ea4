"""Exported runs on the Hugging Face Hub, by the library huggingface_hub. Nothing of them is executed."""

import hashlib
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seqforge.errors import RunError, SeqforgeError, import_library
from seqforge.registry.hooks import CARD
from seqforge.runs.directory import FILES, MARKER
from seqforge.storage.cache import open_cache_folder

PREFIX = "hf://"
"""Beginning of the name of such a model: `hf://user/model`."""

MOST_BYTES = 1 << 33
"""Maximum size of a model that is downloaded."""


def download_model(name: str) -> Path:
    """Return the folder of the newest version of a model, whose files are copied into the cache if they are not there.

    Only the files of a run are copied, and their sizes and hashes must be those that the hub states.

    Raises:
        RunError: If there is no such model of seqforge, if it is too large or damaged, or the hub cannot be reached.
        PluginError: If the library is not installed.
    """
    with _hub(name) as (library, repository):
        info = library.HfApi().model_info(repository, files_metadata=True)
        files = {file.rfilename: file for file in info.siblings if _is_part(file.rfilename)}
        if MARKER not in files:
            raise RunError(f"{name}: not a model of seqforge", hint=f"Models that others can use have a file {MARKER}.")
        if (size := sum(file.size for file in files.values())) > MOST_BYTES:
            problem = f"{name}: the model has {size:,} bytes; the limit is {MOST_BYTES:,}"
            raise RunError(problem, hint="Download it, and name the copy.")
        folder = open_cache_folder("models") / f"{repository.replace('/', '--')}-{info.sha}"
        library.snapshot_download(repository, revision=info.sha, local_dir=folder, allow_patterns=[*files])
        for path, file in files.items():
            if _hash(folder / path, file) != (file.lfs.sha256 if file.lfs else file.blob_id):
                (folder / path).unlink()
                raise RunError(f"{name}: {path} is not the file that the hub states", hint="Start again.")
    return folder


def upload_model(folder: Path, name: str) -> str:
    """Upload an exported run as a model `user/model`, which is created if it does not exist, and return its address.

    Raises:
        RunError: If the hub cannot be reached or refuses it.
        PluginError: If the library is not installed.
    """
    with _hub(name) as (library, repository):
        address: Any = library.HfApi().create_repo(repository, exist_ok=True)
        library.HfApi().upload_folder(repo_id=repository, folder_path=folder)
    return str(address)


@contextmanager
def _hub(name: str) -> Generator[tuple[Any, str]]:
    """Yield the library, and the name of a model on the hub, whose failures inside the block are reported."""
    library = import_library("huggingface_hub", "seqforge-core[hub]")
    try:
        yield library, name.removeprefix(PREFIX)
    except (SeqforgeError, MemoryError):
        raise
    except Exception as error:  # The library has errors of its own, and those of the library for HTTP.
        reason = f"{type(error).__name__}: {str(error).strip():.300}"
        raise RunError(
            f"{name}: {reason}", hint="Check the name and the connection. To log in: hf auth login"
        ) from error


def _is_part(path: str) -> bool:
    """Return whether a file of a repository is a part of a run that is needed to use its model."""
    return path in (*FILES, CARD) or re.fullmatch(r"checkpoints/step-\d+/\w[\w.-]*", path) is not None


def _hash(path: Path, file: Any) -> str:
    """Return the hash with which the hub names a file: of its content, or that of git if it is small."""
    if not file.lfs:
        content = path.read_bytes()
        return hashlib.sha1(f"blob {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
