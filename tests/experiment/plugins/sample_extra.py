"""A plugin that shares names with another, and has two components that cannot be used."""

SEQFORGE_API = 1

COMPONENTS = {
    "cell": {
        "gru": "sample_components:GRU",
        "lstm": "sample_components:LSTM",
        "minimal": "sample_components:GRU",
        "gone": "sample_module_that_is_gone:Gone",
    },
    "sampler": {"untyped": "sample_components:Untyped", "by-mode": "sample_components:ByMode"},
}
