"""Cells with a matrix state for each head."""

SEQFORGE_API = 1

COMPONENTS = {
    "cell": {
        "gla": "seqforge_matrix_cells.gla:GLA",
        "gated-deltanet": "seqforge_matrix_cells.gated_deltanet:GatedDeltaNet",
        "hgrn-2": "seqforge_matrix_cells.hgrn:HGRN2",
        "mamba-2": "seqforge_matrix_cells.mamba:Mamba2",
        "mlstm": "seqforge_matrix_cells.mlstm:MLSTM",
        "rwkv-7": "seqforge_matrix_cells.rwkv:RWKV7",
    },
}

PRESETS = {
    # Yang et al. 2024, arXiv 2412.06464, section 3.4.
    "gated-deltanet-block": {
        "use": "essentials/block",
        "cell": "matrix-cells/gated-deltanet",
        "convolution": 4,
        "feed_forward": "swiglu",
        "feed_forward_expansion": 2.6667,
    },
    # Beck et al. 2024, arXiv 2405.04517, appendix A.4.
    "xlstm-block": {
        "use": "essentials/block",
        "cell": "matrix-cells/mlstm",
        "norm": "layer",
        "expansion": 2.0,
        "convolution": 4,
        "gate": "silu",
    },
}
