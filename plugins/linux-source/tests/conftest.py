"""A small tree that stands for Linux, and the ways to pack it."""

import bz2
import gzip
import io
import lzma
import os
import re
import subprocess
import tarfile
from pathlib import Path

import pytest
import zstandard

FILES = {
    "COPYING": b"not C\n",
    "drivers/char/echo.c": b"int echo;\n" * 300,
    "drivers/gpu/drm/amd/include/asic_reg/gc/gc_sh_mask.h": b"#define GC 1\n",
    "include/linux/empty.h": b"",
    "include/linux/list.h": b"struct list_head;\n",
    "include/uapi/linux/fs.h": b"#define FS 1\n",
    "kernel/fork.c": b"int fork(void)\n{\n\treturn 0;\n}\n",
    "kernel/sched/core.c": b"/* \xc3\xa9t\xc3\xa9 */\n",
    "lib/latin.c": b"/* caf\xe9 */\n",
}

COMPRESSORS = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": lambda content: zstandard.ZstdCompressor().compress(content),
}


@pytest.fixture(autouse=True)
def _nothing_from_this_machine(monkeypatch, tmp_path):
    """Keep the variables of whoever runs the tests, and their caches, out of them."""
    monkeypatch.delenv("SEQFORGE_LINUX_SOURCE", raising=False)
    monkeypatch.setenv("SEQFORGE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def files():
    """Names and contents of a small tree."""
    return dict(FILES)


@pytest.fixture(scope="session")
def c_files():
    """What the default options take of that tree, as documents have it, in the order of the names."""
    taken = {name: content for name, content in sorted(FILES.items()) if name.endswith((".c", ".h")) and content}
    del taken["drivers/gpu/drm/amd/include/asic_reg/gc/gc_sh_mask.h"]
    taken["lib/latin.c"] = "/* café */\n".encode()
    return taken


@pytest.fixture(scope="session")
def make_tar():
    """Pack names and contents, or whole `TarInfo`s, into an uncompressed archive."""

    def make(members, tar_format=tarfile.GNU_FORMAT):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tar_format) as archive:
            for member, content in members:
                info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return buffer.getvalue()

    return make


@pytest.fixture(scope="session")
def kernel_tar(make_tar):
    """The small tree as a release is packed: everything in one folder."""
    return make_tar((f"linux-6.12/{name}", content) for name, content in FILES.items())


@pytest.fixture(params=list(COMPRESSORS))
def kernel_archive(request, kernel_tar, tmp_path):
    """The same as a file, in each compression."""
    path = tmp_path / f"linux-6.12.tar{request.param}"
    path.write_bytes(COMPRESSORS[request.param](kernel_tar))
    return path


@pytest.fixture
def kernel_tree(tmp_path):
    """The small tree unpacked."""
    root = tmp_path / "linux"
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


@pytest.fixture
def run_git(monkeypatch, tmp_path):
    """Run git with no configuration but its own."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)

    def run(folder: Path, *arguments: str) -> str:
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
        command = ["git", "-C", str(folder), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    return run


@pytest.fixture
def kernel_repository(kernel_tree, run_git):
    """The small tree in git, with a tag on it and a later commit."""
    run_git(kernel_tree, "init", "--quiet")
    (kernel_tree / "kernel" / "link.c").symlink_to("fork.c")
    run_git(kernel_tree, "add", "--all")
    run_git(kernel_tree, "commit", "--quiet", "--message", "first")
    run_git(kernel_tree, "tag", "--annotate", "--message", "Linux 6.12", "v6.12")
    (kernel_tree / "kernel" / "fork.c").write_text("changed\n")
    run_git(kernel_tree, "commit", "--quiet", "--all", "--message", "second")
    run_git(kernel_tree, "tag", "v6.13")
    return kernel_tree


@pytest.fixture(scope="session")
def real_archive():
    """Debian's archive of Linux, where the machine has it."""
    named = os.environ.get("SEQFORGE_LINUX_SOURCE", "")
    if named.endswith(".tar.xz") and Path(named).is_file():
        return Path(named)
    found = sorted(
        Path("/usr/src").glob("linux-source-*.tar.xz"),
        key=lambda path: [int(number) for number in re.findall(r"\d+", path.name)],
    )
    if not found:
        pytest.skip(
            "no /usr/src/linux-source-*.tar.xz, and SEQFORGE_LINUX_SOURCE names no .tar.xz "
            "(`apt-get download linux-source-6.12` and `dpkg -x` bring it)"
        )
    return found[-1]
