"""Git: the tree of a tag, from any kind of repository, independent of its environment."""

import os
import shutil
import subprocess

import pytest
from seqforge_linux_source import git as git_module
from seqforge_linux_source.git import GitTag
from seqforge_linux_source.source import Reading, Selection

from seqforge.errors import DataError

EVERYTHING = Selection(["**"], [], [".c", ".h"])
pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture
def tagged(files):
    """Return the files of the tag v6.12."""
    return sorted((name, content) for name, content in files.items() if name.endswith((".c", ".h")))


def test_files_are_those_of_the_tag_and_not_of_the_working_tree(kernel_repository, tagged):
    assert list(GitTag(kernel_repository, "v6.12").files(EVERYTHING)) == tagged
    assert dict(GitTag(kernel_repository, "v6.13").files(EVERYTHING))["kernel/fork.c"] == b"changed\n"


def test_bare_repository(kernel_repository, run_git, tmp_path, tagged):
    run_git(tmp_path, "clone", "--quiet", "--bare", str(kernel_repository), "bare.git")

    assert list(GitTag(tmp_path / "bare.git", "v6.12").files(EVERYTHING)) == tagged


def test_worktree(kernel_repository, run_git, tmp_path, tagged):
    run_git(kernel_repository, "worktree", "add", "--quiet", str(tmp_path / "side"), "v6.13")

    assert list(GitTag(tmp_path / "side", "v6.12").files(EVERYTHING)) == tagged


def test_environment_variables_of_git_have_no_effect(kernel_repository, tagged, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "elsewhere"))

    assert list(GitTag(kernel_repository, "v6.12").files(EVERYTHING)) == tagged


def test_replacement_objects_have_no_effect(kernel_repository, run_git, tagged):
    source = GitTag(kernel_repository, "v6.12")
    before = source.fingerprint(EVERYTHING)
    run_git(kernel_repository, "replace", "v6.12^{commit}", "v6.13^{commit}")

    assert source.fingerprint(EVERYTHING) == before
    assert list(source.files(EVERYTHING)) == tagged


def test_fingerprint_depends_on_the_content_of_the_tag(kernel_repository, run_git):
    run_git(kernel_repository, "tag", "again", "v6.12")
    first, again, second = (
        GitTag(kernel_repository, tag).fingerprint(EVERYTHING) for tag in ("v6.12", "again", "v6.13")
    )

    assert first == again != second


def test_tag_that_starts_with_hyphens_is_not_an_option(kernel_repository, run_git, tagged):
    head = run_git(kernel_repository, "rev-parse", "v6.12^{commit}").strip()
    run_git(kernel_repository, "update-ref", "refs/tags/--help", head)

    assert list(GitTag(kernel_repository, "--help").files(EVERYTHING)) == tagged


@pytest.mark.parametrize("tag", ["--upload-pack=touch", "-h", "HEAD", "main", "", "v6.12..v6.13", "../heads/main"])
def test_missing_tag_is_an_error(kernel_repository, tag):
    with pytest.raises(DataError, match="has no tag"):
        list(GitTag(kernel_repository, tag).files(EVERYTHING))


def test_error_for_a_missing_tag_suggests_the_nearest(kernel_repository):
    with pytest.raises(DataError) as caught:
        GitTag(kernel_repository, "v6.1l2").fingerprint(EVERYTHING)
    assert caught.value.hint == "Did you mean 'v6.12'?"


def test_folder_inside_a_repository_is_not_a_repository(kernel_repository):
    # Without its restrictions, git would find the repository around this folder.
    with pytest.raises(DataError, match="cannot be read as a git repository"):
        GitTag(kernel_repository / "kernel", "v6.12").fingerprint(EVERYTHING)


def test_missing_object_is_an_error(kernel_repository, run_git):
    identifier = run_git(kernel_repository, "rev-parse", "v6.12:lib/latin.c").strip()
    (kernel_repository / ".git" / "objects" / identifier[:2] / identifier[2:]).unlink()

    with pytest.raises(DataError, match="an object is missing"):
        list(GitTag(kernel_repository, "v6.12").files(EVERYTHING))


def test_an_old_git_fetches_no_missing_object_of_a_partial_clone(kernel_repository, run_git, tmp_path, monkeypatch):
    run_git(kernel_repository, "config", "uploadpack.allowFilter", "true")
    run_git(kernel_repository, "config", "uploadpack.allowAnySHA1InWant", "true")
    clone = tmp_path / "clone"
    run_git(tmp_path, "clone", "--quiet", "--no-checkout", "--filter=blob:none", kernel_repository.as_uri(), str(clone))
    run_git(clone, "config", "remote.origin.uploadpack", f"touch {tmp_path}/command; git-upload-pack")
    old = tmp_path / "bin" / "git"
    old.parent.mkdir()
    old.write_text(f'#!/bin/sh\nunset GIT_NO_LAZY_FETCH\nexec {shutil.which("git")} "$@"\n')
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(old.parent), prepend=os.pathsep)

    with pytest.raises(DataError, match="git stopped early") as caught:
        list(GitTag(clone, "v6.12").files(EVERYTHING))
    assert "clone it without that option" in caught.value.hint
    assert not (tmp_path / "command").exists()


@pytest.mark.parametrize("missing", ["v6.13^{tree}", "v6.13^{commit}"])
def test_missing_tree_or_commit_is_not_a_missing_tag(kernel_repository, run_git, missing):
    identifier = run_git(kernel_repository, "rev-parse", missing).strip()
    (kernel_repository / ".git" / "objects" / identifier[:2] / identifier[2:]).unlink()

    with pytest.raises(DataError) as caught:
        GitTag(kernel_repository, "v6.13").fingerprint(EVERYTHING)
    assert caught.value.message == (
        f"{kernel_repository}: git cannot read the tag v6.13: its commit or its tree is missing or damaged"
    )
    assert "git fsck" in caught.value.hint


@pytest.mark.parametrize("is_bare", [False, True])
def test_pipe_in_a_repository_is_named(kernel_repository, run_git, is_bare, tmp_path):
    run_git(tmp_path, "clone", "--quiet", "--bare", str(kernel_repository), "bare.git")
    repository = tmp_path / "bare.git" if is_bare else kernel_repository
    pipe = repository / ("" if is_bare else ".git") / "packed-refs"
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    with pytest.raises(DataError, match="packed-refs: it is neither a file nor a folder"):
        GitTag(repository, "v6.12").fingerprint(EVERYTHING)


def test_list_of_files_is_limited(kernel_repository, run_git):
    entries = "".join(f"040000 tree {{0}}\tfolder{number}\n" for number in range(10))
    tree = run_git(kernel_repository, "rev-parse", "v6.12:kernel").strip()
    for _ in range(9):  # a billion folders
        listing = entries.format(tree)
        command = ["git", "-C", str(kernel_repository), "mktree"]
        tree = subprocess.run(command, input=listing, check=True, capture_output=True, text=True).stdout.strip()
    commit = run_git(kernel_repository, "commit-tree", tree, "-m", "bomb").strip()
    run_git(kernel_repository, "tag", "bomb", commit)

    with pytest.raises(DataError, match="the list of files at the tag bomb has more than 67,108,864 bytes"):
        list(GitTag(kernel_repository, "bomb").files(EVERYTHING))


def test_total_size_is_limited(kernel_repository):
    with pytest.raises(DataError, match="the limit is 1,000") as caught:
        list(GitTag(kernel_repository, "v6.12").files(EVERYTHING, Reading(1000)))
    assert "`size_limit`" in caught.value.hint


def test_large_file_is_an_error(kernel_repository, monkeypatch):
    monkeypatch.setattr(git_module, "LARGEST_FILE", 2000)

    with pytest.raises(DataError, match=r"'drivers/char/echo.c' has 3,000 bytes"):
        list(GitTag(kernel_repository, "v6.12").files(EVERYTHING))


def test_closed_generator_leaves_no_process(kernel_repository):
    # A process that still runs would cause a warning, and a warning fails the test.
    found = GitTag(kernel_repository, "v6.12").files(EVERYTHING)
    next(found)
    found.close()


def test_missing_git_is_an_error(kernel_repository, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(DataError, match="needs the program `git`"):
        GitTag(kernel_repository, "v6.12").fingerprint(EVERYTHING)
