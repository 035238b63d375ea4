"""A plugin with components of every kind that an experiment needs. The tests rely on their options and defaults."""

SEQFORGE_API = 1

COMPONENTS = {
    "corpus": {"inline": "sample_components:Inline", "files": "sample_components:Files"},
    "vocabulary": {"characters": "sample_components:Characters"},
    "cell": {
        "lstm": "sample_components:LSTM",
        "gru": "sample_components:GRU",
        "residual": "sample_components:Residual",
    },
    "initializer": {"default": "sample_components:Default"},
    "loss": {"cross-entropy": "sample_components:CrossEntropy"},
    "optimizer": {"adam": "sample_components:Adam", "sgd": "sample_components:SGD"},
    "schedule": {"constant": "sample_components:Constant"},
    "sampler": {"temperature": "sample_components:Temperature", "greedy": "sample_components:Greedy"},
    "metric": {"distinct": "sample_components:Distinct"},
    "attention": {"additive": "sample_components:Additive"},
}
