"""A plugin of pytest that shows Linux on ARM to seqforge and its plugins: `pytest -p tests.systems.fake_arm`.

They see its processor, and load the kernels for it, which `make arm` compiles and QEMU executes. Other libraries,
such as torch, are those of this machine.
"""

import ctypes
import io
import platform
import shutil
import struct
import subprocess
import tempfile
from functools import cache, partial
from pathlib import Path
from threading import Lock
from typing import Any

from tests.systems.simulation import FakeModule, simulate

# Of a Neoverse N1.
CPU_INFORMATION = """\
processor\t: 0
BogoMIPS\t: 50.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp ssbs
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x3
CPU part\t: 0xd0c
CPU revision\t: 1
"""

CALLER_MEMORY = Path(__file__).with_name("caller_memory.cpp")
COMPILER, EMULATOR = "aarch64-linux-gnu-g++", ("qemu-aarch64", "-L", "/usr/aarch64-linux-gnu")

PAGE_SIZE = 4096
GROWTH = 4 << 30
"""Bytes by which the memory of a process may grow."""


class EmulatedLibrary:
    """A library for ARM, whose functions have the memory of this process; see `caller_memory.cpp`."""

    def __init__(self, path: str) -> None:
        self._symbols, self._lock = Path(path).read_bytes(), Lock()
        with tempfile.TemporaryDirectory() as folder:
            program = f"{folder}/caller_memory"
            subprocess.run([COMPILER, "-std=c++20", "-O1", "-o", program, CALLER_MEMORY], check=True)
            while True:  # until no address is in use by both processes
                self._process = subprocess.Popen(
                    [*EMULATOR, program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
                )
                self.seqforge_lanes()  # waits until everything is loaded
                if are_apart(used_addresses("self"), used_addresses(self._process.pid)):
                    break
                self._process.kill()
                self._process.communicate()

    def __getattr__(self, name: str) -> Any:
        if b"\0%s\0" % name.encode() not in self._symbols:
            raise AttributeError(name)
        function = partial(self._call, name)  # takes the attributes `argtypes` and `restype`
        setattr(self, name, function)
        return function

    def _call(self, name: str, *arguments: Any) -> int:
        with self._lock:
            numbers = [*map(as_number, arguments), *[0] * (8 - len(arguments))]
            self._send(struct.pack("64s8q", name.encode(), *numbers))
            while True:
                address, size = struct.unpack("qq", self._receive(16))
                if size == 0:
                    return address  # the result
                if size < 0:
                    self._send(ctypes.string_at(address, PAGE_SIZE))
                else:
                    ctypes.memmove(address, self._receive(size), size)

    def _send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(data)

    def _receive(self, size: int) -> bytes:
        assert self._process.stdout is not None
        data = b""
        while len(data) < size:
            more = self._process.stdout.read(size - len(data))
            assert more, f"the emulator ended: {self._process.wait()}"
            data += more
        return data


def as_number(argument: Any) -> int:
    """Return what the register of an argument contains."""
    if argument is None or isinstance(argument, int):
        return argument or 0
    return ctypes.addressof(getattr(argument, "_obj", argument))  # which `byref` passes


def used_addresses(process: int | str) -> list[range]:
    """Return where a process has memory, except the stack of its first thread."""
    lines = Path(f"/proc/{process}/maps").read_text("utf-8").splitlines()
    ends = [
        line.split()[0].split("-") for line in lines if not line.endswith(("[stack]", "[vvar]", "[vdso]", "[vsyscall]"))
    ]
    return [range(int(start, 16), int(end, 16)) for start, end in ends]


def are_apart(left: list[range], right: list[range]) -> bool:
    """Return whether there is space between all addresses of two processes."""
    return all(a.stop + GROWTH < b.start or b.stop + GROWTH < a.start for a in left for b in right)


@cache
def _load_library(name: str | None) -> Any:
    return EmulatedLibrary(name) if name and Path(name).name.startswith("_neon.") else ctypes.CDLL(name)


def _open(file: Any, *arguments: Any, **options: Any) -> Any:
    return io.StringIO(CPU_INFORMATION) if str(file) == "/proc/cpuinfo" else _real_open(file, *arguments, **options)


for command in (COMPILER, EMULATOR[0]):
    if shutil.which(command) is None:
        raise SystemExit(f"there is no {command}; on Debian: apt install g++-aarch64-linux-gnu qemu-user")

FAKES = {
    "ctypes": FakeModule(ctypes, "ARM", CDLL=_load_library),
    "platform": FakeModule(platform, "ARM", machine=lambda: "aarch64", processor=lambda: ""),
}

simulate("ARM", FAKES, ())
_real_open, io.open = io.open, _open
