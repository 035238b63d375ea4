"""A plugin of pytest that gives torch two CUDA devices which are not there: `pytest -p tests.cuda.fake_device`.

With `SEQFORGE_FAKE_DEVICE=mps` in the environment, it is the GPU of a Mac instead. It is loaded before seqforge is
imported. Operators run on the CPU; see `fake_device.cpp`. The layers of cuDNN are emulated after torch's source: their
operands have one type, they save them for the gradients, and they warn if the weights are not one block of memory.
"""

import ctypes
import importlib.metadata
import importlib.util
import os
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_suffix(".cpp")


def _compile() -> Path:
    """Return the library with the device, which is compiled once for each source and each torch."""
    version = importlib.metadata.version("torch")
    digest = blake2b(SOURCE.read_bytes() + version.encode(), digest_size=8).hexdigest()
    library = Path(__file__).parents[2] / "build" / f"fake-cuda-{digest}.so"
    if not library.exists():
        found = importlib.util.find_spec("torch")
        assert found is not None
        assert found.origin is not None
        include, libraries = (Path(found.origin).parent / name for name in ("include", "lib"))
        library.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=library.parent) as work:
            command = ["g++", "-std=c++20", "-fPIC", "-shared", f"-I{include}", f"-I{include}/torch/csrc/api/include"]
            command += [str(SOURCE), "-o", f"{work}/device.so", f"-L{libraries}", "-lc10", "-ltorch_cpu"]
            subprocess.run([*command, f"-Wl,-rpath,{libraries}"], check=True)
            Path(work, "device.so").rename(library)
    return library


# torch asks for devices while it is imported, and keeps the answer.
_library = ctypes.CDLL(str(_compile()))

import torch  # noqa: E402
from torch import Tensor  # noqa: E402

COUNT = 2
"""Number of the devices."""


def take_counts() -> dict[str, int]:
    """Return what the device was asked for since the last call: how often, by name."""
    with tempfile.NamedTemporaryFile() as file:
        _library.fake_counts(file.name.encode())
        lines = Path(file.name).read_text().splitlines()
    return {name: int(times) for times, name in (line.split("\t") for line in lines)}


def devices_used() -> list[int]:
    """Return the numbers of the devices on which this process has computed."""
    return [index for index in range(COUNT) if _library.fake_devices() >> index & 1]


@contextmanager
def _uncounted() -> Generator[None]:
    _library.fake_pause(True)
    try:
        yield
    finally:
        _library.fake_pause(False)


class _Device:
    """The context manager `torch.cuda.device`."""

    current = 0

    def __init__(self, device: Any) -> None:
        index = torch.device(device).index if not isinstance(device, int) else device
        self.index = _Device.current if index is None else index

    def __enter__(self) -> None:
        self.before = _Device.current
        _set_device(self.index)

    def __exit__(self, *error: object) -> None:
        _set_device(self.before)


def _set_device(device: Any) -> None:
    _Device.current = device if isinstance(device, int) else torch.device(device).index or 0
    _library.fake_current(_Device.current)


class _FusedLayer(torch.autograd.Function):
    """A layer of cuDNN, with its gradients."""

    @staticmethod
    def forward(ctx: Any, layer: Callable[..., Any], states: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.save_for_backward(*tensors)
        _library.fake_count(b"cuDNN forward")
        with _uncounted(), torch.enable_grad():
            leaves = [tensor.detach().cpu().requires_grad_() for tensor in tensors]
            inputs, before, weights = leaves[0], leaves[1 : 1 + states], leaves[1 + states :]
            results = layer(inputs, before if states > 1 else before[0], weights, True, 1, 0.0, True, False, False)
            ctx.graph = leaves, results
            return tuple(result.detach().to(tensors[0].device) for result in results)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        device = ctx.saved_tensors[0].device  # This fails if one was changed since.
        _library.fake_count(b"cuDNN backward")
        leaves, results = ctx.graph
        with _uncounted():
            found = torch.autograd.grad(results, leaves, [gradient.cpu() for gradient in gradients], retain_graph=True)
            return None, None, *(gradient.to(device) for gradient in found)


def _with_cudnn(layer: Callable[..., Any]) -> Callable[..., Any]:
    """Return a layer of torch that is emulated if its input is on the device."""

    def call(inputs: Tensor, state: Any, weights: list[Tensor], *options: Any) -> Any:
        if inputs.device.type != "cuda":
            return layer(inputs, state, weights, *options)
        if torch.is_autocast_enabled("cuda"):
            raise AssertionError("autocast turns the layers of cuDNN into float16")
        states = [state] if isinstance(state, Tensor) else list(state)
        tensors = [inputs, *states, *weights]
        assert {tensor.device for tensor in tensors} == {inputs.device}, "operands on several devices"
        assert len({tensor.dtype for tensor in tensors}) == 1, "operands of several types"
        assert all(tensor.is_contiguous() for tensor in (*states, *weights)), "cuDNN needs contiguous states"
        ends = [weight.data_ptr() + weight.numel() * weight.element_size() for weight in weights]
        if [weight.data_ptr() for weight in weights[1:]] != ends[:-1]:
            warnings.warn("RNN module weights are not part of single contiguous chunk of memory", stacklevel=2)
        return _FusedLayer.apply(layer, len(states), *tensors)

    return call


def _install_mps() -> None:
    """Show the GPU of a Mac to torch. Its generator of random numbers counts what it is asked for."""
    mps: Any = torch.mps
    mps.is_available = torch.backends.mps.is_available = lambda: True
    mps.synchronize = lambda: _library.fake_count(b"wait: device")
    mps.manual_seed = lambda seed: _library.fake_count(f"seed {seed}".encode())
    mps.get_rng_state = lambda device="mps": torch.arange(44, dtype=torch.uint8)
    mps.set_rng_state = lambda state, device="mps": _library.fake_count(f"state of {len(state)} bytes".encode())


def _install_cuda() -> None:
    """Show the CUDA devices to torch."""
    cuda: Any = torch.cuda
    cuda.is_available = cuda.is_initialized = lambda: True
    cuda.is_bf16_supported = lambda including_emulation=True: True
    cuda.device_count = lambda: COUNT
    cuda.current_device = lambda: _Device.current
    cuda.set_device = _set_device
    cuda.device = cuda.device_of = _Device
    cuda.get_device_name = lambda device=None: "a fake device"
    cuda.synchronize = lambda device=None: _library.fake_count(b"wait: device")
    # The generator of random numbers is that of the CPU.
    cuda.manual_seed = cuda.manual_seed_all = lambda seed: None
    cuda.get_rng_state = lambda device="cuda": torch.get_rng_state()
    cuda.set_rng_state = lambda state, device="cuda": None
    cuda._lazy_init = lambda: None
    cuda._is_in_bad_fork = lambda: False
    for name in ("lstm", "gru", "rnn_tanh", "rnn_relu"):
        setattr(torch, name, _with_cudnn(getattr(torch, name)))


if "SEQFORGE_FAKE_DEVICE" in os.environ:
    _install_mps()
else:
    _install_cuda()
