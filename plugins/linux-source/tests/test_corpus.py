"""The corpus `linux-source`: documents of every source, options, and error messages."""

import os
from functools import partial
from pathlib import Path

import pytest
from fork_server import run_to_the_end
from seqforge_linux_source import corpus as corpus_module
from seqforge_linux_source.corpus import VARIABLE, LinuxSource, find_source
from tar_files import make_tar

from seqforge.errors import DataError
from seqforge.registry.component import Component
from seqforge.registry.options import resolve
from seqforge.registry.registry import Registry


def documents(corpus):
    return [(document.name, document.content) for document in corpus.documents()]


def choose(folder=Path("/"), **options):
    return resolve(Registry.installed(), "corpus", {"use": "linux-source", **options}, "corpus", folder)


@pytest.fixture
def empty_machine(monkeypatch, tmp_path):
    """Use a machine without Linux source."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(corpus_module, "find_source", partial(find_source, tmp_path / "src", tmp_path / "build"))


def test_documents_of_an_archive(kernel_archive, c_files):
    assert documents(LinuxSource(source=kernel_archive)) == list(c_files.items())


def test_source_may_be_a_string(tmp_path):
    # A separate process, in which types are not checked at run time.
    code = "import sys; from seqforge_linux_source.corpus import LinuxSource; LinuxSource(sys.argv[1]).describe()"
    (tmp_path / "source.py").write_text(code)
    ran = run_to_the_end([str(tmp_path / "none")], tmp_path, {**os.environ, "PYTHONPATH": str(tmp_path)}, "source")
    assert f"DataError: {tmp_path / 'none'}" in ran.stderr


def test_documents_of_a_tree(kernel_tree, c_files):
    assert documents(LinuxSource(source=kernel_tree)) == list(c_files.items())


def test_documents_of_the_environment_variable(kernel_archive, c_files, monkeypatch):
    monkeypatch.setenv("SEQFORGE_LINUX_SOURCE", str(kernel_archive))
    corpus = LinuxSource()

    assert documents(corpus) == list(c_files.items())
    assert str(kernel_archive) in corpus.describe()


def test_a_folder_that_the_source_does_not_have_is_an_error(kernel_tree: Path) -> None:
    corpus = LinuxSource(source=kernel_tree, include=("kernel/**", "mn/**", "!kernel/none/**"))
    with pytest.raises(DataError, match=r"no file matches mn/\*\* of include"):
        list(corpus.documents())


def test_progress_reaches_the_engine_while_nothing_is_selected(tmp_path):
    path = tmp_path / "large.tar"
    path.write_bytes(make_tar([("zeros.bin", bytes(100 << 20)), ("a.c", b"a")]))
    events = []

    assert len(list(LinuxSource(source=path).read(events.append))) == 1
    assert events
    assert all(event.work == "reading large.tar" and 0.6 < event.fraction < 1 for event in events)


def test_size_limit_is_an_option(kernel_archive, kernel_tree):
    for source in (kernel_archive, kernel_tree):
        with pytest.raises(DataError, match="the limit is 1,000"):
            documents(LinuxSource(source=source, size_limit=1000))


def test_documents_are_utf8(kernel_archive):
    found = dict(documents(LinuxSource(source=kernel_archive)))

    assert found["lib/latin.c"].decode() == "/* café */\n"
    assert found["kernel/sched/core.c"].decode() == "/* été */\n"


@pytest.mark.usefixtures("empty_machine")
def test_the_first_run_reads_the_core_of_linux_on_every_machine():
    selection = {"include": ("kernel/**", "include/uapi/linux/**")}
    corpus = LinuxSource(**selection)
    found = documents(corpus)

    assert len(found) == 1318
    assert sum(len(content) for _, content in found) == 18_608_519
    assert {name.partition("/")[0] for name, _ in found} == {"kernel", "include"}


@pytest.mark.usefixtures("empty_machine")
def test_error_without_a_selected_file_contains_source_and_patterns(kernel_tree):
    for corpus, place in (
        (LinuxSource(source=kernel_tree, include=("net/**",)), str(kernel_tree)),
        (LinuxSource(include=("net/**",)), "the part of Linux 6.12 that comes with seqforge"),
    ):
        with pytest.raises(DataError) as caught:
            documents(corpus)
        assert place in caught.value.message
        assert "include ['net/**']" in caught.value.message


def test_fingerprint_depends_on_source_and_selected_files(kernel_archive, kernel_tree):
    options = [
        {"source": kernel_archive},
        {"source": kernel_tree},
        {"source": kernel_tree, "include": ("kernel/**",)},
        {"source": kernel_tree, "exclude": ("kernel/**",)},
        {"source": kernel_tree, "suffixes": (".c",)},
    ]
    fingerprints = [LinuxSource(**chosen).fingerprint() for chosen in options]

    assert len(set(fingerprints)) == len(options)
    assert fingerprints == [LinuxSource(**chosen).fingerprint() for chosen in options]


def test_options_of_an_experiment_file(kernel_tree):
    chosen = choose(kernel_tree.parent, source="linux", include=["kernel/**"])

    assert isinstance(chosen, Component)
    assert [name for name, _ in documents(chosen.build())] == ["kernel/fork.c", "kernel/sched/core.c"]
    assert chosen.table["source"] == str(kernel_tree)
    # The table that a run stores resolves to the same component.
    assert choose(Path("/"), **{name: value for name, value in chosen.table.items() if name != "use"}) == chosen


@pytest.mark.parametrize("source", ["auto", "x" * 300])
def test_path_that_the_system_refuses_is_an_error(source, monkeypatch):
    monkeypatch.setenv("SEQFORGE_LINUX_SOURCE", "/" + "x" * 300)
    with pytest.raises(DataError, match=r"x{300}: File name too long"):
        LinuxSource(source=Path(source) if source != "auto" else source).describe()


def test_auto_is_not_a_path():
    assert choose(source="auto").options["source"] == "auto"
    assert choose(Path("/folder"), source="./auto").options["source"] == Path("/folder/auto")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("source", 1),
        ("include", []),
        ("include", "kernel/**"),
        ("suffixes", []),
    ],
)
def test_invalid_options_are_rejected(option, value):
    problems = choose(**{option: value})

    assert isinstance(problems, list)
    assert f"corpus.{option}" in str(problems[0])
