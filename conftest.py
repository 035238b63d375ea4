"""Checks the shapes and types that signatures promise, while the tests run."""

import hypothesis
from jaxtyping import install_import_hook

# How long an example takes is the machine's business: a deadline would fail where it is busy.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

# Where tensors are. Other modules name types that they import for the type checker alone, or that pydantic checks.
install_import_hook(
    [
        "seqforge.api",
        "seqforge.cells",
        "seqforge.checkpoints",
        "seqforge.data",
        "seqforge.evaluation",
        "seqforge.generation",
        "seqforge.interfaces.attention",
        "seqforge.interfaces.cell",
        "seqforge.interfaces.factored_cell",
        "seqforge.interfaces.generation_kernel",
        "seqforge.interfaces.loss",
        "seqforge.interfaces.optimization",
        "seqforge.interfaces.sampler",
        "seqforge.model",
        "seqforge.tasks",
        "seqforge.testing",
        "seqforge.training",
        "seqforge_code_structure.samplers",
        "seqforge_cudnn",
        "seqforge_essentials",
        "seqforge_linux_source",
        "seqforge_native",
        "seqforge_parallel_cells",
    ],
    "beartype.beartype",
)
