"""Basic components of seqforge. Importing this module registers names and does not import torch."""

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1

_BLOCKS = {
    # De et al. 2024, arXiv 2402.19427, section 2: around an RG-LRU.
    "griffin-block": {
        "expansion": 1.3333,
        "convolution": 4,
        "gate": "gelu",
        "feed_forward": "geglu",
        "feed_forward_expansion": 3.0,
    },
    # Beck et al. 2024, arXiv 2405.04517, appendix A.4: around an mLSTM, and around an sLSTM.
    "xlstm-block": {"norm": "layer", "expansion": 2.0, "convolution": 4, "gate": "silu"},
    "slstm-block": {"norm": "layer", "convolution": 4, "feed_forward": "geglu", "feed_forward_expansion": 1.3333},
    # Yang et al. 2024, arXiv 2412.06464, section 3.4.
    "gated-deltanet-block": {"convolution": 4, "feed_forward": "swiglu", "feed_forward_expansion": 2.6667},
}
"""Options of blocks, as papers describe them."""


@hookimpl
def seqforge_register(register: Register) -> None:
    """Register every component by name and import path."""
    register.add("corpus", "text", "seqforge_essentials.corpora:TextFiles")
    register.add("corpus", "json-lines", "seqforge_essentials.record_files:JsonLines")
    register.add("corpus", "csv", "seqforge_essentials.record_files:CsvFiles")
    register.add("corpus", "parquet", "seqforge_essentials.parquet:ParquetFiles")
    register.add("corpus", "hugging-face", "seqforge_essentials.parquet:HuggingFace")
    register.add("corpus", "mixture", "seqforge_essentials.mixture:Mixture")
    register.add("corpus", "inline", "seqforge_essentials.corpora:InlineText")

    register.add("vocabulary", "bytes", "seqforge_essentials.vocabularies:Bytes")
    register.add("vocabulary", "characters", "seqforge_essentials.vocabularies:Characters")
    register.add("vocabulary", "words", "seqforge_essentials.words:Words")

    register.add("cell", "rnn", "seqforge_essentials.cells.rnn:RNN")
    register.add("cell", "gru", "seqforge_essentials.cells.gru:GRU")
    register.add("cell", "reset-before-gru", "seqforge_essentials.cells.gru:ResetBeforeGRU")
    register.add("cell", "mgu", "seqforge_essentials.cells.gru:MGU")
    register.add("cell", "lstm", "seqforge_essentials.cells.lstm:LSTM")
    register.preset("cifg", cell="essentials/lstm", options={"coupled_gates": True})
    register.add("cell", "layer-norm-lstm", "seqforge_essentials.cells.layer_norm_lstm:LayerNormLSTM")
    register.add("cell", "block", "seqforge_essentials.cells.block:Block")
    for name, options in _BLOCKS.items():
        register.preset(name, cell="essentials/block", options=options)
    register.add("cell", "slstm", "seqforge_essentials.cells.slstm:SLSTM")

    register.add("initializer", "default", "seqforge_essentials.initializers:Default")
    register.add("initializer", "uniform", "seqforge_essentials.initializers:Uniform")
    register.add("initializer", "normal", "seqforge_essentials.initializers:Normal")
    register.add("initializer", "orthogonal", "seqforge_essentials.initializers:Orthogonal")

    register.add("attention", "additive", "seqforge_essentials.attentions:Additive")
    register.add("attention", "multiplicative", "seqforge_essentials.attentions:Multiplicative")

    register.add("loss", "cross-entropy", "seqforge_essentials.losses:CrossEntropy")
    register.add("loss", "mean-squared-error", "seqforge_essentials.losses:MeanSquaredError")
    register.add("loss", "ctc", "seqforge_essentials.losses:CTC")

    register.add("optimizer", "sgd", "seqforge_essentials.optimizers:SGD")
    register.add("optimizer", "adam", "seqforge_essentials.optimizers:Adam")
    register.add("optimizer", "adamw", "seqforge_essentials.optimizers:AdamW")
    register.add("optimizer", "muon", "seqforge_essentials.optimizers:Muon")
    register.add("optimizer", "nadam", "seqforge_essentials.optimizers:NAdam")
    register.add("optimizer", "radam", "seqforge_essentials.optimizers:RAdam")
    register.add("optimizer", "adamax", "seqforge_essentials.optimizers:Adamax")
    register.add("optimizer", "rmsprop", "seqforge_essentials.optimizers:RMSprop")
    register.add("optimizer", "adagrad", "seqforge_essentials.optimizers:Adagrad")

    register.add("schedule", "constant", "seqforge_essentials.schedules:Constant")
    register.add("schedule", "step", "seqforge_essentials.schedules:Step")
    register.add("schedule", "exponential", "seqforge_essentials.schedules:Exponential")
    register.add("schedule", "cosine", "seqforge_essentials.schedules:Cosine")
    register.add("schedule", "warmup-stable-decay", "seqforge_essentials.schedules:WarmupStableDecay")
    register.add("schedule", "plateau", "seqforge_essentials.schedules:Plateau")

    register.add("sampler", "greedy", "seqforge_essentials.samplers:Greedy")
    register.add("sampler", "temperature", "seqforge_essentials.samplers:Temperature")
    register.add("sampler", "top-k", "seqforge_essentials.samplers:TopK")
    register.add("sampler", "top-p", "seqforge_essentials.samplers:TopP")
    register.add("sampler", "min-p", "seqforge_essentials.samplers:MinP")
    register.add("sampler", "repetition-penalty", "seqforge_essentials.samplers:RepetitionPenalty")

    register.add("metric", "distinct", "seqforge_essentials.metrics:Distinct")
    register.add("metric", "memorization", "seqforge_essentials.memorization:Memorization")
