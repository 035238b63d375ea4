"""Samplers that prevent errors in generated C. Importing this module does not import torch."""

SEQFORGE_API = 1

COMPONENTS = {
    "sampler": {
        "balanced": "seqforge_c_samplers.checked:Balanced",
        "scoped": "seqforge_c_samplers.checked:Scoped",
    },
}
