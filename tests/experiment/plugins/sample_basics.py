"""A plugin with components of every kind that an experiment needs. The tests rely on their options and defaults."""

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    register.add("corpus", "inline", "sample_components:Inline")
    register.add("corpus", "files", "sample_components:Files")
    register.add("vocabulary", "characters", "sample_components:Characters")
    register.add("cell", "lstm", "sample_components:LSTM")
    register.add("cell", "gru", "sample_components:GRU")
    register.add("cell", "residual", "sample_components:Residual")
    register.add("initializer", "default", "sample_components:Default")
    register.add("loss", "cross-entropy", "sample_components:CrossEntropy")
    register.add("optimizer", "adam", "sample_components:Adam")
    register.add("optimizer", "sgd", "sample_components:SGD")
    register.add("schedule", "constant", "sample_components:Constant")
    register.add("sampler", "temperature", "sample_components:Temperature")
    register.add("sampler", "greedy", "sample_components:Greedy")
    register.add("metric", "distinct", "sample_components:Distinct")
    register.add("attention", "additive", "sample_components:Additive")
