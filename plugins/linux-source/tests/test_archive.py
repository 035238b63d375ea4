"""Archives: names, limits, damaged and hostile files, and that the file is closed."""

import gzip
import lzma
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from seqforge_linux_source import source as sources
from seqforge_linux_source.source import Archive, Selection
from tar_files import make_tar

from seqforge.errors import DataError

EVERYTHING = Selection(["**"], [], [".c", ".h"])


@pytest.fixture
def write(tmp_path):
    """Return a function that writes members to an archive file."""

    def write(members, name="test.tar", compress=bytes):
        path = tmp_path / name
        path.write_bytes(compress(make_tar(members)))
        return Archive(path)

    return write


def is_open(path):
    return any(link.exists() and link.samefile(path) for link in Path("/proc/self/fd").iterdir())


def test_top_folder_is_removed_from_names(kernel_archive, files):
    found = list(Archive(kernel_archive).files(EVERYTHING))

    assert found == [(name, content) for name, content in files.items() if name.endswith((".c", ".h"))]


def test_names_without_a_top_folder_do_not_change(write):
    assert [name for name, _ in write([("kernel/a.c", b""), ("x/b.c", b"")]).files(EVERYTHING)] == [
        "kernel/a.c",
        "x/b.c",
    ]


def test_leading_dots_are_removed_from_names(write):
    members = [("./COPYING", b""), ("./kernel/a.c", b""), ("./b.c", b"")]

    assert [name for name, _ in write(members).files(EVERYTHING)] == ["kernel/a.c", "b.c"]


def test_only_regular_files_with_plain_names_are_read(write):
    odd_names = ("/etc/odd.c", "../odd.c", "linux/../../odd.c", "linux/odd\n.c", "linux/" + "o" * 5000 + ".c")
    members = [("linux/a.c", b"a"), *((name, b"odd") for name in odd_names)]
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE):
        member = tarfile.TarInfo("linux/odd.c")
        member.type, member.linkname = kind, "/etc/passwd"
        members.append((member, b""))
    members.append(("linux/b.c", b"b"))

    assert list(write(members).files(EVERYTHING)) == [("a.c", b"a"), ("b.c", b"b")]


def test_first_of_two_files_with_the_same_name_is_used(write):
    members = [("linux/a.c", b"first"), ("linux/a.c", b"second"), ("a.c", b"third")]

    assert list(write(members).files(EVERYTHING)) == [("a.c", b"first")]


def test_large_file_is_an_error_only_if_it_is_selected(write, monkeypatch):
    monkeypatch.setattr(sources, "LARGEST_FILE", 1000)
    source = write([("linux/a.c", b"a"), ("linux/big.c", bytes(1001)), ("linux/b.c", bytes(1000))])

    with pytest.raises(DataError, match=r"'big.c' has 1,001 bytes; the limit is 1,000"):
        list(source.files(EVERYTHING))
    assert len(list(source.files(Selection(["**"], ["big.c"], [".c"])))) == 2


def test_file_of_terabytes_is_rejected_before_it_is_read(tmp_path):
    bomb = tarfile.TarInfo("linux/bomb.c")
    bomb.size = 1 << 42
    path = tmp_path / "bomb.tar.xz"
    path.write_bytes(lzma.compress(bomb.tobuf() + bytes(1 << 20)))

    with pytest.raises(DataError, match=r"'bomb.c' has 4,398,046,511,104 bytes"):
        list(Archive(path).files(EVERYTHING))


def test_number_of_selected_files_is_limited(write, monkeypatch):
    monkeypatch.setattr(sources, "_MOST_FILES", 10)

    assert len(list(write([(f"linux/{i}.c", b"a") for i in range(10)]).files(EVERYTHING))) == 10
    with pytest.raises(DataError, match="more than 10 files"):
        list(write([(f"linux/{i}.c", b"a") for i in range(11)]).files(EVERYTHING))


@pytest.mark.parametrize("kept", [0.02, 0.2, 0.4])
def test_truncated_archive_is_an_error(kernel_archive, kept):
    content = kernel_archive.read_bytes()
    kernel_archive.write_bytes(content[: int(len(content) * kept)])

    with pytest.raises(DataError) as caught:
        list(Archive(kernel_archive).files(EVERYTHING))
    assert str(kernel_archive) in caught.value.message
    assert "download it again" in caught.value.hint


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"PK\x03\x04" + bytes(600), b"x" * 5000], ids=["empty", "short", "zip", "text"]
)
def test_other_file_is_an_error(tmp_path, content):
    path = tmp_path / "linux.tar"
    path.write_bytes(content)

    with pytest.raises(DataError, match="cannot be read as a tar archive"):
        list(Archive(path).files(EVERYTHING))


def test_missing_archive_is_an_error(tmp_path):
    gone = Archive(tmp_path / "gone.tar")

    for use in (lambda: list(gone.files(EVERYTHING)), lambda: gone.fingerprint(EVERYTHING)):
        with pytest.raises(DataError, match="No such file"):
            use()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are found in /proc")
def test_file_is_closed_with_the_generator(kernel_archive):
    found = Archive(kernel_archive).files(EVERYTHING)
    next(found)
    assert is_open(kernel_archive)

    found.close()
    assert not is_open(kernel_archive)


def test_interrupt_stops_reading(tmp_path):
    # Without the interrupt, reading twenty gigabytes of zeros takes long and ends with another exit status.
    member = tarfile.TarInfo("linux/zeros.txt")
    member.size = 20 << 30
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(gzip.compress(member.tobuf()) + gzip.compress(bytes(1 << 20)) * (20 << 10))
    script = (
        "import signal, sys; from pathlib import Path\n"
        # Background jobs of a shell, which may run these tests, ignore SIGINT.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from seqforge_linux_source.source import Archive\n"
        "from seqforge_linux_source.source import Selection\n"
        "print('reading', flush=True)\n"
        "list(Archive(Path(sys.argv[1])).files(Selection(['**'], [], ['.c']), 1 << 50))\n"
    )
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reader:
        assert reader.stdout.readline() == b"reading\n"
        reader.send_signal(signal.SIGINT)
        _, error_output = reader.communicate(timeout=60)

    assert reader.returncode == -signal.SIGINT
    assert b"KeyboardInterrupt" in error_output


def test_progress_is_reported_while_a_file_that_is_not_selected_is_skipped(write, monkeypatch):
    monkeypatch.setattr(sources, "_SILENT_SIZE", 10 << 20)
    zeros = bytes(30 << 20)
    members = [("linux/a.c", b"a"), ("linux/zeros.bin", zeros), ("linux/b.c", b"b"), ("linux/more.bin", zeros)]
    events = []

    files = write(members).files(EVERYTHING, report=events.append)
    assert next(files) == ("a.c", b"a")
    assert events == []
    assert next(files) == ("b.c", b"b")
    assert {event.work for event in events} == {"reading test.tar"}
    fractions = [event.fraction for event in events]
    assert fractions == sorted(fractions)
    assert 0.1 < fractions[0] < fractions[-1] < 0.6
    assert list(files) == []
    assert 0.9 < events[-1].fraction <= 1


def test_no_progress_is_reported_while_files_are_selected(write, monkeypatch):
    monkeypatch.setattr(sources, "_SILENT_SIZE", 10 << 20)
    events = []

    list(write([(f"linux/{i}.c", bytes(5 << 20)) for i in range(6)]).files(EVERYTHING, report=events.append))
    assert events == []


@pytest.mark.parametrize("limit", [5 << 20, 20 << 20])
def test_the_total_size_of_an_archive_is_limited(write, limit):
    members = [(f"linux/{i}.{'ch'[i % 2]}", bytes(1 << 20)) for i in range(30)]
    source = write(members, "test.tar.gz", gzip.compress)

    with pytest.raises(DataError, match=rf"bytes must be read; the limit is {limit:,}") as caught:
        list(source.files(Selection(["**"], [], [".c"]), limit))
    assert caught.value.message.startswith(str(source.path))
    assert "raise the option `size_limit`" in caught.value.hint
    assert len(list(source.files(Selection(["**"], [], [".c"]), 31 << 20))) == 15


def test_a_skipped_file_larger_than_the_limit_is_refused_before_it_is_read(tmp_path):
    member = tarfile.TarInfo("linux/zeros.bin")
    member.size = 10 << 30
    path = tmp_path / "bomb.tar"
    path.write_bytes(member.tobuf() + bytes(1 << 20))

    with pytest.raises(DataError, match=r"at least 10,737,41\d,\d\d\d bytes must be read; the limit is 8,589,934,592"):
        list(Archive(path).files(EVERYTHING))


def test_the_zeros_after_the_end_of_an_archive_count(write):
    source = write([("linux/a.c", b"a")], "test.tar.gz", lambda content: gzip.compress(content + bytes(20 << 20)))

    with pytest.raises(DataError, match="size_limit"):
        list(source.files(EVERYTHING, 10 << 20))


def test_fingerprint_depends_on_the_content(kernel_archive, tmp_path):
    copy = tmp_path / "copy.tar"
    copy.write_bytes(kernel_archive.read_bytes())
    before = Archive(kernel_archive).fingerprint(EVERYTHING)
    assert Archive(copy).fingerprint(EVERYTHING) == before

    copy.write_bytes(kernel_archive.read_bytes() + b"\0")
    assert Archive(copy).fingerprint(EVERYTHING) != before
