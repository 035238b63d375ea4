"""Cells without a recurrent product. Importing this module registers names and does not import torch."""

SEQFORGE_API = 1

COMPONENTS = {
    "cell": {
        "ind-rnn": "seqforge_parallel_cells.ind_rnn:IndRNN",
        "min-gru": "seqforge_parallel_cells.cells:MinGRU",
        "min-lstm": "seqforge_parallel_cells.cells:MinLSTM",
        "qrnn": "seqforge_parallel_cells.qrnn:QRNN",
        "rg-lru": "seqforge_parallel_cells.rg_lru:RGLRU",
        "sru": "seqforge_parallel_cells.sru:SRU",
    },
}

PRESETS = {
    # De et al. 2024, arXiv 2402.19427, section 2.
    "griffin-block": {
        "use": "essentials/block",
        "cell": "parallel-cells/rg-lru",
        "expansion": 1.3333,
        "convolution": 4,
        "gate": "gelu",
        "feed_forward": "geglu",
        "feed_forward_expansion": 3.0,
    },
}
