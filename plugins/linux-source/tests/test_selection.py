"""Selection of files, compared with git."""

import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from seqforge_linux_source.source import Selection

from seqforge.errors import ExperimentError

SUFFIXES = (".c", ".h")
words = st.sampled_from(["kernel", "include", "linux", "sched", "a", "b1"])
names = st.builds(
    lambda folders, stem, suffix: "/".join([*folders, stem + suffix]),
    st.lists(words, max_size=4),
    words,
    st.sampled_from([".c", ".h", ".S", ""]),
)
parts = st.one_of(words, st.sampled_from(["*", "**", "*.c", "*.h", "k*", "?", "[ab]*", "b?.c"]))
patterns = st.builds(
    lambda start, pieces, end: start + "/".join(pieces) + end,
    st.sampled_from(["", "/"]),
    st.lists(parts, min_size=1, max_size=3),
    st.sampled_from(["", "/", "/**"]),
).filter(lambda pattern: not pattern.endswith("**/"))
"""Patterns except those such as `a/**/`, with which git matches the folders in `a`, but pathspec everything in it."""


@given(name=names, include=st.lists(patterns, min_size=1, max_size=3), exclude=st.lists(patterns, max_size=3))
def test_name_is_accepted_if_included_not_excluded_and_with_a_suffix(name, include, exclude):
    accepted = Selection(include, exclude, SUFFIXES).accepts(name)

    included = Selection(include, [], [""]).accepts(name)
    excluded = Selection(exclude, [], [""]).accepts(name) if exclude else False
    assert accepted == (included and not excluded and name.endswith(SUFFIXES))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=st.lists(names, min_size=1, max_size=30, unique=True), include=st.lists(patterns, min_size=1, max_size=3))
def test_patterns_match_as_in_git(tmp_path, run_git, chosen, include):
    if not (tmp_path / ".git").is_dir():
        run_git(tmp_path, "init", "--quiet")
    (tmp_path / ".gitignore").write_text("\n".join(include) + "\n")
    command = ["git", "-C", str(tmp_path), "check-ignore", "--no-index", "--stdin"]
    answer = subprocess.run(command, input="\n".join(chosen), capture_output=True, text=True)

    selection = Selection(include, [], [""])
    assert {name for name in chosen if selection.accepts(name)} == set(answer.stdout.splitlines())


@pytest.mark.parametrize(
    ("pattern", "matches", "differs"),
    [
        ("kernel/**", "kernel/sched/core.c", "arch/x86/kernel/head.c"),
        ("include/uapi/linux/**", "include/uapi/linux/fs.h", "include/linux/fs.h"),
        ("*.h", "include/linux/fs.h", "kernel/fork.c"),
        ("/kernel/*.c", "kernel/fork.c", "kernel/sched/core.c"),
        ("kernel/", "arch/x86/kernel/head.c", "kernel.c"),
    ],
)
def test_patterns_of_the_documentation(pattern, matches, differs):
    selection = Selection([pattern], [], SUFFIXES)

    assert selection.accepts(matches)
    assert not selection.accepts(differs)


def test_pattern_after_an_exclamation_mark_cancels_an_earlier_match():
    selection = Selection(["**"], ["drivers/**", "!drivers/char/**"], SUFFIXES)

    assert selection.accepts("drivers/char/mem.c")
    assert not selection.accepts("drivers/net/tun.c")


def test_error_for_an_invalid_pattern_names_the_option():
    with pytest.raises(ExperimentError, match=r"exclude.*!"):
        Selection(["**"], ["!"], SUFFIXES)
