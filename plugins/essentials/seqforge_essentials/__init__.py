"""Basic components of seqforge. Importing this module registers names and does not import torch."""

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Register every component by name and import path."""
    register.corpus("text", "seqforge_essentials.corpora:TextFiles")
    register.corpus("inline", "seqforge_essentials.corpora:InlineText")

    register.vocabulary("bytes", "seqforge_essentials.vocabularies:Bytes")
    register.vocabulary("characters", "seqforge_essentials.vocabularies:Characters")

    register.cell("rnn", "seqforge_essentials.cells.rnn:RNN")
    register.cell("gru", "seqforge_essentials.cells.gru:GRU")
    register.cell("reset-before-gru", "seqforge_essentials.cells.gru:ResetBeforeGRU")
    register.cell("lstm", "seqforge_essentials.cells.lstm:LSTM")

    register.initializer("default", "seqforge_essentials.initializers:Default")
    register.initializer("uniform", "seqforge_essentials.initializers:Uniform")
    register.initializer("normal", "seqforge_essentials.initializers:Normal")
    register.initializer("orthogonal", "seqforge_essentials.initializers:Orthogonal")

    register.attention("additive", "seqforge_essentials.attentions:Additive")
    register.attention("multiplicative", "seqforge_essentials.attentions:Multiplicative")

    register.loss("cross-entropy", "seqforge_essentials.losses:CrossEntropy")
    register.loss("mean-squared-error", "seqforge_essentials.losses:MeanSquaredError")
    register.loss("ctc", "seqforge_essentials.losses:CTC")

    register.optimizer("sgd", "seqforge_essentials.optimizers:SGD")
    register.optimizer("adam", "seqforge_essentials.optimizers:Adam")
    register.optimizer("adamw", "seqforge_essentials.optimizers:AdamW")
    register.optimizer("muon", "seqforge_essentials.muon:Muon")
    register.optimizer("nadam", "seqforge_essentials.optimizers:NAdam")
    register.optimizer("radam", "seqforge_essentials.optimizers:RAdam")
    register.optimizer("adamax", "seqforge_essentials.optimizers:Adamax")
    register.optimizer("rmsprop", "seqforge_essentials.optimizers:RMSprop")
    register.optimizer("adagrad", "seqforge_essentials.optimizers:Adagrad")

    register.schedule("constant", "seqforge_essentials.schedules:Constant")
    register.schedule("step", "seqforge_essentials.schedules:Step")
    register.schedule("exponential", "seqforge_essentials.schedules:Exponential")
    register.schedule("cosine", "seqforge_essentials.schedules:Cosine")
    register.schedule("plateau", "seqforge_essentials.schedules:Plateau")

    register.sampler("greedy", "seqforge_essentials.samplers:Greedy")
    register.sampler("temperature", "seqforge_essentials.samplers:Temperature")
    register.sampler("top-k", "seqforge_essentials.samplers:TopK")
    register.sampler("top-p", "seqforge_essentials.samplers:TopP")
    register.sampler("min-p", "seqforge_essentials.samplers:MinP")
    register.sampler("repetition-penalty", "seqforge_essentials.samplers:RepetitionPenalty")

    register.metric("distinct", "seqforge_essentials.metrics:Distinct")
    register.metric("memorization", "seqforge_essentials.memorization:Memorization")
