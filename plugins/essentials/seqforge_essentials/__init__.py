"""seqforge's basic components. This module names them; importing it imports no torch."""

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Name the components, each with where its class is."""
    register.corpus("text", "seqforge_essentials.corpora.text:TextFiles")
    register.corpus("inline", "seqforge_essentials.corpora.inline:InlineText")

    register.vocabulary("bytes", "seqforge_essentials.vocabularies.bytes:Bytes")
    register.vocabulary("characters", "seqforge_essentials.vocabularies.characters:Characters")

    register.cell("rnn", "seqforge_essentials.cells.rnn:RNN")
    register.cell("gru", "seqforge_essentials.cells.gru:GRU")
    register.cell("lstm", "seqforge_essentials.cells.lstm:LSTM")

    register.initializer("default", "seqforge_essentials.initializers.default:Default")
    register.initializer("uniform", "seqforge_essentials.initializers.uniform:Uniform")
    register.initializer("normal", "seqforge_essentials.initializers.normal:Normal")
    register.initializer("orthogonal", "seqforge_essentials.initializers.orthogonal:Orthogonal")

    register.attention("additive", "seqforge_essentials.attentions.additive:Additive")
    register.attention("multiplicative", "seqforge_essentials.attentions.multiplicative:Multiplicative")

    register.loss("cross-entropy", "seqforge_essentials.losses.cross_entropy:CrossEntropy")
    register.loss("mean-squared-error", "seqforge_essentials.losses.mean_squared_error:MeanSquaredError")
    register.loss("ctc", "seqforge_essentials.losses.ctc:CTC")

    register.optimizer("sgd", "seqforge_essentials.optimizers.sgd:SGD")
    register.optimizer("adam", "seqforge_essentials.optimizers.adam:Adam")
    register.optimizer("adamw", "seqforge_essentials.optimizers.adam:AdamW")
    register.optimizer("nadam", "seqforge_essentials.optimizers.adam:NAdam")
    register.optimizer("radam", "seqforge_essentials.optimizers.adam:RAdam")
    register.optimizer("adamax", "seqforge_essentials.optimizers.adam:Adamax")
    register.optimizer("rmsprop", "seqforge_essentials.optimizers.rmsprop:RMSprop")
    register.optimizer("adagrad", "seqforge_essentials.optimizers.adagrad:Adagrad")

    register.schedule("constant", "seqforge_essentials.schedules.constant:Constant")
    register.schedule("step", "seqforge_essentials.schedules.step:Step")
    register.schedule("exponential", "seqforge_essentials.schedules.exponential:Exponential")
    register.schedule("cosine", "seqforge_essentials.schedules.cosine:Cosine")
    register.schedule("plateau", "seqforge_essentials.schedules.plateau:Plateau")

    register.sampler("greedy", "seqforge_essentials.samplers.greedy:Greedy")
    register.sampler("temperature", "seqforge_essentials.samplers.temperature:Temperature")
    register.sampler("top-k", "seqforge_essentials.samplers.top_k:TopK")
    register.sampler("top-p", "seqforge_essentials.samplers.top_p:TopP")
    register.sampler("min-p", "seqforge_essentials.samplers.min_p:MinP")
    register.sampler("repetition-penalty", "seqforge_essentials.samplers.repetition_penalty:RepetitionPenalty")

    register.metric("distinct", "seqforge_essentials.metrics.distinct:Distinct")
