"""Basic components of seqforge. Importing this module registers names and does not import torch."""

SEQFORGE_API = 1

COMPONENTS = {
    "corpus": {
        "text": "seqforge_essentials.corpora:TextFiles",
        "json-lines": "seqforge_essentials.records:JsonLines",
        "csv": "seqforge_essentials.records:CsvFiles",
        "parquet": "seqforge_essentials.records:ParquetFiles",
        "hugging-face": "seqforge_essentials.records:HuggingFace",
        "mixture": "seqforge_essentials.mixture:Mixture",
        "inline": "seqforge_essentials.corpora:InlineText",
    },
    "vocabulary": {
        "bytes": "seqforge_essentials.vocabularies:Bytes",
        "characters": "seqforge_essentials.vocabularies:Characters",
        "words": "seqforge_essentials.vocabularies:Words",
    },
    "cell": {
        "rnn": "seqforge_essentials.cells.rnn:RNN",
        "gru": "seqforge_essentials.cells.gru:GRU",
        "reset-before-gru": "seqforge_essentials.cells.gru:ResetBeforeGRU",
        "mgu": "seqforge_essentials.cells.gru:MGU",
        "lstm": "seqforge_essentials.cells.lstm:LSTM",
        "layer-norm-lstm": "seqforge_essentials.cells.lstm:LayerNormLSTM",
        "block": "seqforge_essentials.cells.block:Block",
        "slstm": "seqforge_essentials.cells.slstm:SLSTM",
        "zoneout": "seqforge_essentials.cells.zoneout:Zoneout",
    },
    "initializer": {
        "default": "seqforge_essentials.initializers:Default",
        "uniform": "seqforge_essentials.initializers:Uniform",
        "normal": "seqforge_essentials.initializers:Normal",
        "orthogonal": "seqforge_essentials.initializers:Orthogonal",
    },
    "attention": {
        "additive": "seqforge_essentials.attentions:Additive",
        "multiplicative": "seqforge_essentials.attentions:Multiplicative",
    },
    "loss": {
        "cross-entropy": "seqforge_essentials.losses:CrossEntropy",
        "mean-squared-error": "seqforge_essentials.losses:MeanSquaredError",
        "ctc": "seqforge_essentials.losses:CTC",
    },
    "optimizer": {
        "sgd": "seqforge_essentials.optimizers:SGD",
        "adam": "seqforge_essentials.optimizers:Adam",
        "adamw": "seqforge_essentials.optimizers:AdamW",
        "lion": "seqforge_essentials.optimizers:Lion",
        "muon": "seqforge_essentials.optimizers:Muon",
        "rmsprop": "seqforge_essentials.optimizers:RMSprop",
        "adagrad": "seqforge_essentials.optimizers:Adagrad",
        "schedule-free": "seqforge_essentials.optimizers:ScheduleFree",
    },
    "schedule": {
        "constant": "seqforge_essentials.schedules:Constant",
        "step": "seqforge_essentials.schedules:Step",
        "exponential": "seqforge_essentials.schedules:Exponential",
        "cosine": "seqforge_essentials.schedules:Cosine",
        "warmup-stable-decay": "seqforge_essentials.schedules:WarmupStableDecay",
        "plateau": "seqforge_essentials.schedules:Plateau",
    },
    "sampler": {
        "greedy": "seqforge_essentials.samplers:Greedy",
        "temperature": "seqforge_essentials.samplers:Temperature",
        "top-k": "seqforge_essentials.samplers:TopK",
        "top-p": "seqforge_essentials.samplers:TopP",
        "min-p": "seqforge_essentials.samplers:MinP",
        "repetition-penalty": "seqforge_essentials.samplers:RepetitionPenalty",
    },
    "metric": {
        "distinct": "seqforge_essentials.metrics:Distinct",
        "memorization": "seqforge_essentials.memorization:Memorization",
    },
}

PRESETS = {
    "cifg": {"use": "essentials/lstm", "coupled_gates": True},
    # Beck et al. 2024, arXiv 2405.04517, appendix A.4.
    "slstm-block": {
        "use": "essentials/block",
        "cell": "essentials/slstm",
        "norm": "layer",
        "convolution": 4,
        "feed_forward": "geglu",
        "feed_forward_expansion": 1.3333,
    },
}
