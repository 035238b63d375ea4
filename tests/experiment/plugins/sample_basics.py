"""A plugin with components of every kind that an experiment needs. The tests rely on their options and defaults."""

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    register.corpus("inline", "sample_components:Inline")
    register.corpus("files", "sample_components:Files")
    register.vocabulary("characters", "sample_components:Characters")
    register.cell("lstm", "sample_components:LSTM")
    register.cell("gru", "sample_components:GRU")
    register.cell("residual", "sample_components:Residual")
    register.initializer("default", "sample_components:Default")
    register.loss("cross-entropy", "sample_components:CrossEntropy")
    register.optimizer("adam", "sample_components:Adam")
    register.optimizer("sgd", "sample_components:SGD")
    register.schedule("constant", "sample_components:Constant")
    register.sampler("temperature", "sample_components:Temperature")
    register.sampler("greedy", "sample_components:Greedy")
    register.metric("distinct", "sample_components:Distinct")
    register.attention("additive", "sample_components:Additive")
