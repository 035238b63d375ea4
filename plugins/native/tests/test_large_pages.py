"""Tensors in large pages behave like other tensors, even if the system refuses large pages."""

import mmap
from pathlib import Path

import pytest
import torch
from seqforge_native.generation import in_large_pages

MAPPINGS = Path("/proc/self/maps")


@pytest.mark.parametrize("shape", [(3, 5), (1024, 1024), (1000, 1037), (1, 1 << 21)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_tensor_holds_the_values_written_to_it(shape: tuple[int, ...], dtype: torch.dtype):
    tensor = in_large_pages(*shape, dtype=dtype)
    assert tensor.shape == shape
    assert tensor.dtype == dtype
    assert tensor.is_contiguous()
    values = torch.randn(shape).to(dtype)
    tensor.copy_(values)
    assert torch.equal(tensor, values)


def test_a_view_keeps_the_memory_of_its_tensor():
    tensors = [in_large_pages(1 << 20, dtype=torch.float32).fill_(number) for number in range(8)]
    views = [tensor[::1000] for tensor in tensors]
    del tensors
    assert [view.unique().tolist() for view in views] == [[number] for number in range(8)]


@pytest.mark.skipif(not MAPPINGS.exists(), reason="Linux lists the memory of a process")
def test_the_memory_of_a_large_tensor_is_private_since_shared_memory_has_no_large_pages():
    tensor = in_large_pages(1024, 1024, dtype=torch.float32)
    for line in MAPPINGS.read_text().splitlines():
        addresses, permissions = line.split()[:2]
        first, end = (int(number, 16) for number in addresses.split("-"))
        if first <= tensor.data_ptr() < end:
            assert permissions == "rw-p"
            return
    pytest.fail("the memory is not listed")


def test_without_large_pages_a_tensor_is_in_small_pages(monkeypatch: pytest.MonkeyPatch):
    class Refusing(mmap.mmap):
        def madvise(self, option: int, start: int = 0, length: int = 0) -> None:
            raise OSError

    monkeypatch.setattr(mmap, "mmap", Refusing)
    tensor = in_large_pages(1024, 1024, dtype=torch.float32)
    assert tensor.fill_(2).sum().item() == 2 * 1024 * 1024
