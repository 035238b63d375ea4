"""Fixtures: a small tree that represents Linux, as an archive and as a folder."""

import bz2
import gzip
import lzma
import os
import re
import subprocess
from pathlib import Path

import pytest
from tar_files import make_tar

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
}


@pytest.fixture(autouse=True)
def _isolate_from_this_machine(monkeypatch, tmp_path):
    """Remove the environment variable of the machine, and use an empty cache."""
    monkeypatch.delenv("SEQFORGE_LINUX_SOURCE", raising=False)
    monkeypatch.setenv("SEQFORGE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def files():
    """Return the names and contents of the small tree."""
    return dict(FILES)


@pytest.fixture(scope="session")
def c_files():
    """Return the documents of the small tree with the default options, in the order of the names."""
    documents = {name: content for name, content in sorted(FILES.items()) if name.endswith((".c", ".h")) and content}
    del documents["drivers/gpu/drm/amd/include/asic_reg/gc/gc_sh_mask.h"]
    documents["lib/latin.c"] = "/* café */\n".encode()
    return documents


@pytest.fixture(scope="session")
def kernel_tar():
    """Return the small tree as an archive in which everything is in one folder, as in a release."""
    return make_tar((f"linux-6.12/{name}", content) for name, content in FILES.items())


@pytest.fixture(params=list(COMPRESSORS))
def kernel_archive(request, kernel_tar, tmp_path):
    """Return the path of this archive, for each compression."""
    path = tmp_path / f"linux-6.12.tar{request.param}"
    path.write_bytes(COMPRESSORS[request.param](kernel_tar))
    return path


@pytest.fixture
def kernel_tree(tmp_path):
    """Return the path of the unpacked small tree."""
    root = tmp_path / "linux"
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


@pytest.fixture
def run_git(monkeypatch, tmp_path):
    """Return a function that runs git without the configuration of the machine."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)

    def run(folder: Path, *arguments: str) -> str:
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
        command = ["git", "-C", str(folder), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    return run


@pytest.fixture(scope="session")
def real_archive():
    """Return the path of Debian's archive of Linux, if the machine has one."""
    named = os.environ.get("SEQFORGE_LINUX_SOURCE", "")
    if named.endswith(".tar.xz") and Path(named).is_file():
        return Path(named)
    found = sorted(
        Path("/usr/src").glob("linux-source-*.tar.xz"),
        key=lambda path: [int(number) for number in re.findall(r"\d+", path.name)],
    )
    if not found:
        pytest.skip(
            "needs /usr/src/linux-source-*.tar.xz, or the path of such a file in SEQFORGE_LINUX_SOURCE "
            "(run `apt-get download linux-source-6.12` and `dpkg -x`)"
        )
    return found[-1]
