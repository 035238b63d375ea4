"""Checks of shapes and types in signatures while tests run, and random values that depend on one test only."""

import gc
import os
import warnings
from collections.abc import Iterator

import hypothesis
import pytest
import torch
from first_calls import begin_checks, install_import_hook

# torch.compile would start processes that import torch, for kernels that are compiled in less time.
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")

# On a busy machine, examples would exceed a deadline.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

# Modules with tensors. Other modules import some types only for the type checker, or let pydantic check values. The
# suites have no shapes, and read the frames of the code that calls torch.
install_import_hook(
    [
        "seqforge.api",
        "seqforge.cells",
        "seqforge.runs.checkpoint_files",
        "seqforge.runs.checkpoints",
        "seqforge.runs.training_state",
        "seqforge.data",
        "seqforge.evaluation",
        "seqforge.generation",
        "seqforge.kinds.attention",
        "seqforge.kinds.cell",
        "seqforge.kinds.factored_cell",
        "seqforge.kinds.generation_kernel",
        "seqforge.kinds.initializer",
        "seqforge.kinds.loss",
        "seqforge.kinds.matrix_state_cell",
        "seqforge.kinds.optimizer",
        "seqforge.kinds.sampler",
        "seqforge.kinds.schedule",
        "seqforge.matrix_states",
        "seqforge.model",
        "seqforge.report",
        "seqforge.tasks",
        "seqforge.training",
        "seqforge_c_samplers",
        "seqforge_cudnn",
        "seqforge_essentials",
        "seqforge_linux_source",
        "seqforge_matrix_cells",
        "seqforge_native",
        "seqforge_parallel_cells",
        "seqforge_subwords",
    ]
)


@pytest.fixture(autouse=True)
def _seed() -> None:
    """Seed torch, so that the random values of a test do not depend on the tests before it.

    `torch.manual_seed` also records where it was called, for each kind of GPU that is not there: 2 ms.
    """
    torch.default_generator.manual_seed(0)


def pytest_collection_finish() -> None:
    """Keep the collector of garbage from reading what stays: the tests and the libraries."""
    gc.freeze()


def pytest_runtest_setup() -> None:
    """Check the first calls of each function in each test and in its fixtures."""
    begin_checks()


@pytest.fixture
def unchecked() -> None:
    """Switch off the checks of types, which a user does not have."""
    begin_checks(0)


@pytest.fixture
def compilable(unchecked: None) -> Iterator[None]:
    """Switch off the checks of types, which torch.compile cannot follow, and torch's own warnings."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        yield
