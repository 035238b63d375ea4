"""Checks the shapes and types that signatures promise, while the tests run."""

from jaxtyping import install_import_hook

# The registry and the command line name types that they import for the type checker alone, and hold no tensors.
install_import_hook(
    [
        "seqforge.data",
        "seqforge.generation",
        "seqforge.interfaces",
        "seqforge.model",
        "seqforge.testing",
        "seqforge.training",
        "seqforge_cudnn",
        "seqforge_essentials",
        "seqforge_linux_source",
    ],
    "beartype.beartype",
)
