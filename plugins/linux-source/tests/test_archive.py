"""Archives: what a hostile or damaged one can do, and that nothing stays open."""

import gzip
import lzma
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from seqforge_linux_source import archive as archive_module
from seqforge_linux_source.archive import Archive
from seqforge_linux_source.source import Selection

from seqforge.errors import DataError

EVERYTHING = Selection(["**"], [], [".c", ".h"])


@pytest.fixture
def write(tmp_path, make_tar):
    """Write members to an archive file."""

    def write(members, name="test.tar", compress=bytes):
        path = tmp_path / name
        path.write_bytes(compress(make_tar(members)))
        return Archive(path)

    return write


def is_open(path):
    return any(link.exists() and link.samefile(path) for link in Path("/proc/self/fd").iterdir())


def test_the_top_folder_is_dropped(kernel_archive, files):
    found = list(Archive(kernel_archive).files(EVERYTHING))

    assert found == [(name, content) for name, content in files.items() if name.endswith((".c", ".h"))]


def test_names_without_a_top_folder_stay(write):
    assert [name for name, _ in write([("kernel/a.c", b""), ("x/b.c", b"")]).files(EVERYTHING)] == [
        "kernel/a.c",
        "x/b.c",
    ]


def test_names_that_start_with_a_dot_lose_it(write):
    members = [("./COPYING", b""), ("./kernel/a.c", b""), ("./b.c", b"")]

    assert [name for name, _ in write(members).files(EVERYTHING)] == ["kernel/a.c", "b.c"]


def test_a_hostile_archive_gives_its_plain_files_only(write):
    odd_names = ("/etc/odd.c", "../odd.c", "linux/../../odd.c", "linux/odd\n.c", "linux/" + "o" * 5000 + ".c")
    members = [("linux/a.c", b"a"), *((name, b"odd") for name in odd_names)]
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE):
        member = tarfile.TarInfo("linux/odd.c")
        member.type, member.linkname = kind, "/etc/passwd"
        members.append((member, b""))
    members.append(("linux/b.c", b"b"))

    assert list(write(members).files(EVERYTHING)) == [("a.c", b"a"), ("b.c", b"b")]


def test_of_a_name_that_comes_twice_the_first_is_taken(write):
    members = [("linux/a.c", b"first"), ("linux/a.c", b"second"), ("a.c", b"third")]

    assert list(write(members).files(EVERYTHING)) == [("a.c", b"first")]


def test_a_large_file_is_refused_where_it_is_selected(write, monkeypatch):
    monkeypatch.setattr(archive_module, "LARGEST_FILE", 1000)
    source = write([("linux/a.c", b"a"), ("linux/big.c", bytes(1001)), ("linux/b.c", bytes(1000))])

    with pytest.raises(DataError, match=r"'big.c' has 1,001 bytes; the limit is 1,000"):
        list(source.files(EVERYTHING))
    assert len(list(source.files(Selection(["**"], ["big.c"], [".c"])))) == 2


def test_a_file_of_terabytes_is_refused_before_it_is_read(tmp_path):
    bomb = tarfile.TarInfo("linux/bomb.c")
    bomb.size = 1 << 42
    path = tmp_path / "bomb.tar.xz"
    path.write_bytes(lzma.compress(bomb.tobuf() + bytes(1 << 20)))

    with pytest.raises(DataError, match=r"'bomb.c' has 4,398,046,511,104 bytes"):
        list(Archive(path).files(EVERYTHING))


def test_no_archive_makes_the_names_grow_for_ever(write, monkeypatch):
    monkeypatch.setattr(archive_module, "_MOST_FILES", 10)

    assert len(list(write([(f"linux/{i}.c", b"a") for i in range(10)]).files(EVERYTHING))) == 10
    with pytest.raises(DataError, match="more than 10 files"):
        list(write([(f"linux/{i}.c", b"a") for i in range(11)]).files(EVERYTHING))


@pytest.mark.parametrize("kept", [0.02, 0.2, 0.4])
def test_an_archive_cut_off_says_so(kernel_archive, kept):
    content = kernel_archive.read_bytes()
    kernel_archive.write_bytes(content[: int(len(content) * kept)])

    with pytest.raises(DataError) as caught:
        list(Archive(kernel_archive).files(EVERYTHING))
    assert str(kernel_archive) in caught.value.message
    assert "download it again" in caught.value.hint


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"PK\x03\x04" + bytes(600), b"x" * 5000], ids=["empty", "short", "zip", "text"]
)
def test_what_is_no_archive_says_so(tmp_path, content):
    path = tmp_path / "linux.tar"
    path.write_bytes(content)

    with pytest.raises(DataError, match="cannot be read as a tar archive"):
        list(Archive(path).files(EVERYTHING))


def test_an_archive_that_vanished_says_so(tmp_path):
    gone = Archive(tmp_path / "gone.tar")

    for use in (lambda: list(gone.files(EVERYTHING)), lambda: gone.fingerprint(EVERYTHING)):
        with pytest.raises(DataError, match="No such file"):
            use()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are found in /proc")
def test_the_file_is_closed_with_the_generator(kernel_archive):
    found = Archive(kernel_archive).files(EVERYTHING)
    next(found)
    assert is_open(kernel_archive)

    found.close()
    assert not is_open(kernel_archive)


def test_an_interrupt_ends_the_reading_at_once(tmp_path):
    # Twenty gigabytes of zeros: whoever is not interrupted reads on for long, and ends with another exit status.
    member = tarfile.TarInfo("linux/zeros.txt")
    member.size = 20 << 30
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(gzip.compress(member.tobuf()) + gzip.compress(bytes(1 << 20)) * (20 << 10))
    script = (
        "import signal, sys; from pathlib import Path\n"
        # A shell's background jobs, and so perhaps these tests, ignore Ctrl-C.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from seqforge_linux_source.archive import Archive\n"
        "from seqforge_linux_source.source import Selection\n"
        "print('reading', flush=True)\n"
        "list(Archive(Path(sys.argv[1])).files(Selection(['**'], [], ['.c'])))\n"
    )
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reader:
        assert reader.stdout.readline() == b"reading\n"
        reader.send_signal(signal.SIGINT)
        _, complaint = reader.communicate(timeout=60)

    assert reader.returncode == -signal.SIGINT
    assert b"KeyboardInterrupt" in complaint


def test_the_fingerprint_is_of_the_content(kernel_archive, tmp_path):
    copy = tmp_path / "copy.tar"
    copy.write_bytes(kernel_archive.read_bytes())
    before = Archive(kernel_archive).fingerprint(EVERYTHING)
    assert Archive(copy).fingerprint(EVERYTHING) == before

    copy.write_bytes(kernel_archive.read_bytes() + b"\0")
    assert Archive(copy).fingerprint(EVERYTHING) != before
