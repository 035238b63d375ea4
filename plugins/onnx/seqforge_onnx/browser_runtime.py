"""ONNX Runtime for browsers: files of the npm package `onnxruntime-web`, which the build bundles with this package.

The build imports this module by its path, so it imports nothing of seqforge.
"""

import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

VERSION = "1.30.0"
FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
"""The library, and the program that it loads: 14 MB."""


def fetch_runtime(folder: Path) -> None:
    """Write the files into a folder. npm downloads the package, 33 MB, and verifies its checksum.

    Raises:
        OSError: If npm is not installed, or a file cannot be written.
        subprocess.CalledProcessError: If npm cannot download the package; `stderr` says why.
    """
    with tempfile.TemporaryDirectory() as name:
        command = ["npm", "pack", "--loglevel=error", f"onnxruntime-web@{VERSION}"]
        subprocess.run(command, cwd=name, check=True, capture_output=True, text=True)  # noqa: S603 - the name is ours
        with tarfile.open(next(Path(name).glob("*.tgz"))) as archive:
            for file in FILES:
                archive.extract(f"package/dist/{file}", name, filter="data")
                shutil.move(Path(name, "package/dist", file), folder)
