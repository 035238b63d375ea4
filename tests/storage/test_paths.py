"""Paths that a user names, and the path of the cache folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from seqforge.errors import RunError
from seqforge.storage.paths import CACHE_VARIABLE, cache_folder, expand_home


def test_a_leading_tilde_is_the_home_directory(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/home/someone")
    assert expand_home("~/a") == Path("/home/someone/a")
    assert expand_home("a/~") == Path("a/~")


def test_the_home_directory_of_an_unknown_user_is_an_error(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ValueError, match="~nobody-of-this-name/a: there is no user of that name"):
        expand_home("~nobody-of-this-name/a")
    monkeypatch.setenv(CACHE_VARIABLE, "~nobody-of-this-name/a")
    with pytest.raises(RunError, match=f"{CACHE_VARIABLE}: ~nobody-of-this-name/a: there is no user"):
        cache_folder()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user without an entry in /etc/passwd")
def test_a_user_without_a_home_directory_must_set_the_cache_folder():
    program = """
import os
from seqforge.errors import RunError
from seqforge.storage.paths import cache_folder
os.setresuid(54321, 0, 0)
try:
    print(cache_folder())
except RunError as error:
    print(error)
"""
    for variables, output in (
        ({}, "there is no cache folder, since this user has no home directory\nSet the environment variable SEQFORGE_"),
        ({CACHE_VARIABLE: "/some/folder"}, "/some/folder"),
        ({"XDG_CACHE_HOME": "/other"}, "/other/seqforge"),
        ({"HOME": "/home/one"}, "/home/one/.cache/seqforge"),
    ):
        result = subprocess.run(
            [sys.executable, "-c", program],
            env={"PATH": os.environ["PATH"], **variables},
            capture_output=True,
            text=True,
        )
        assert result.stdout.startswith(output), result.stderr
