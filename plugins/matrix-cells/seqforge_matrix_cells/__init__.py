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
