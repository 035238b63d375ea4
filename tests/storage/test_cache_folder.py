"""The cache folder: only one of its own is used."""

from pathlib import Path

import pytest

from seqforge.errors import RunError
from seqforge.storage.cache import TAG, list_entries, open_cache_folder
from seqforge.storage.paths import CACHE_VARIABLE


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the cache folder, which does not exist yet."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cached"))
    return tmp_path / "cached"


@pytest.mark.parametrize("place", ["", "tokens"])
def test_a_file_in_the_place_of_a_cache_folder_is_named(cache: Path, place: str) -> None:
    blocking = cache / place
    if place:
        open_cache_folder("backends")
    blocking.touch()
    with pytest.raises(RunError) as caught:
        open_cache_folder("tokens")
    assert caught.value.message == f"{blocking}: not a folder, but the cache needs a folder of this name"
    assert caught.value.hint == f"Move or delete it, or set {CACHE_VARIABLE} to another folder."
    blocking.unlink()
    blocking.symlink_to("nowhere")
    with pytest.raises(RunError, match="not a folder"):
        open_cache_folder("tokens")


def test_a_folder_with_other_files_is_not_used_as_the_cache(cache: Path) -> None:
    others = [cache / "project" / name for name in ("poetry.lock", "result.99999999.tmp", "notes.txt")]
    others[0].parent.mkdir(parents=True)
    for other in others:
        other.touch()
    for use in (lambda: open_cache_folder("tokens"), list_entries):
        with pytest.raises(RunError) as caught:
            use()
        assert (
            caught.value.message == f"{cache}: the cache needs a folder of its own, and this one contains other files"
        )
        assert str(cache / "seqforge-cache") in (caught.value.hint or "")
    assert all(other.exists() for other in others)
    assert list(cache.iterdir()) == [others[0].parent]


def test_an_empty_folder_becomes_the_cache(cache: Path) -> None:
    cache.mkdir()
    assert list_entries() == []
    assert open_cache_folder("tokens") == cache / "tokens"
    assert (cache / TAG).read_bytes().startswith(b"Signature: 8a477f597d28d172789f06886806bc55")
    assert list_entries() == []
