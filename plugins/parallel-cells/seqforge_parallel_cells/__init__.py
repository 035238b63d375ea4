"""Cells without a recurrent product. Importing this module registers names and does not import torch."""

SEQFORGE_API = 1

COMPONENTS = {
    "cell": {
        "ind-rnn": "seqforge_parallel_cells.cells:IndRNN",
        "min-gru": "seqforge_parallel_cells.cells:MinGRU",
        "min-lstm": "seqforge_parallel_cells.cells:MinLSTM",
        "qrnn": "seqforge_parallel_cells.cells:QRNN",
        "rg-lru": "seqforge_parallel_cells.cells:RGLRU",
        "sru": "seqforge_parallel_cells.cells:SRU",
    },
}
