"""Every component of the plugin passes the suite of its kind. The cells are in cells/test_conformance.py."""

from functools import partial
from pathlib import Path
from typing import ClassVar

from seqforge_essentials.attentions import Additive, Multiplicative
from seqforge_essentials.corpora import InlineText, TextFiles
from seqforge_essentials.initializers import Default, Normal, Orthogonal, Uniform
from seqforge_essentials.losses import CTC, CrossEntropy, MeanSquaredError
from seqforge_essentials.memorization import Memorization
from seqforge_essentials.metrics import Distinct
from seqforge_essentials.optimizers import SGD, Adagrad, Adam, AdamW, Lion, Muon, RMSprop, ScheduleFree
from seqforge_essentials.records import JsonLines
from seqforge_essentials.samplers import Greedy, MinP, RepetitionPenalty, Temperature, TopK, TopP
from seqforge_essentials.schedules import Constant, Cosine, Exponential, Plateau, Step, WarmupStableDecay
from seqforge_essentials.vocabularies import Bytes, Characters, Words

from seqforge.testing.attention_suite import AttentionSuite
from seqforge.testing.corpus_suite import CorpusSuite
from seqforge.testing.initializer_suite import InitializerSuite
from seqforge.testing.loss_suite import LossSuite
from seqforge.testing.metric_suite import MetricSuite
from seqforge.testing.optimizer_suite import OptimizerSuite
from seqforge.testing.sampler_suite import SamplerSuite
from seqforge.testing.schedule_suite import ScheduleSuite
from seqforge.testing.vocabulary_suite import VocabularySuite

FILES = Path(__file__).parent


class TestCorpora(CorpusSuite):
    corpora: ClassVar = {
        "inline": partial(InlineText, "Grüße\r\n"),
        "text": partial(TextFiles, [FILES / "**/*.py"]),
        "json-lines": partial(JsonLines, [FILES / "posts.jsonl"]),
    }
    unreadable: ClassVar = {
        "text": partial(TextFiles, [FILES / "missing/*.txt"]),
        "json-lines": partial(JsonLines, [FILES / "posts.jsonl"], field="missing"),
    }


class TestVocabularies(VocabularySuite):
    vocabularies: ClassVar = {
        "bytes": Bytes,
        "characters": Characters,
        "characters, listed": partial(Characters, "the cat\n", "\ufffd"),
        "words": Words,
        "words, unknown": partial(Words, 300, "<unk>"),
    }


class TestAttentions(AttentionSuite):
    attentions: ClassVar = {
        "additive": Additive,
        "additive, narrow": partial(Additive, size=2),
        "multiplicative": Multiplicative,
    }


class TestLosses(LossSuite):
    losses: ClassVar = {
        "cross-entropy": CrossEntropy,
        "cross-entropy, smooth": partial(CrossEntropy, label_smoothing=0.1),
        "mean-squared-error": MeanSquaredError,
        "ctc": CTC,
    }


class TestOptimizers(OptimizerSuite):
    optimizers: ClassVar = {
        "sgd": partial(SGD, weight_decay=0.1),
        "sgd, nesterov": partial(SGD, learning_rate=0.1, nesterov=True),
        "adam": partial(Adam, weight_decay=0.1),
        "adamw": AdamW,
        "rmsprop": partial(RMSprop, weight_decay=0.1),
        "rmsprop, momentum": partial(RMSprop, momentum=0.5),
        "adagrad": partial(Adagrad, weight_decay=0.1),
        "lion": Lion,
        "muon": Muon,
        "schedule-free": partial(ScheduleFree, weight_decay=0.1),
    }


class TestSchedules(ScheduleSuite):
    schedules: ClassVar = {
        "constant": Constant,
        "step": Step,
        "step, in steps": partial(Step, every=3.0, unit="steps", after=1.0, factor=0.5),
        "exponential": Exponential,
        "cosine": partial(Cosine, warmup_steps=4, final_factor=0.2),
        "warmup-stable-decay": partial(WarmupStableDecay, warmup_steps=4, final_factor=0.2),
        "plateau": Plateau,
        "plateau, impatient": partial(Plateau, patience=1, factor=0.1, threshold=0.01, minimum_factor=0.05),
    }


class TestSamplers(SamplerSuite):
    samplers: ClassVar = {
        "greedy": Greedy,
        "temperature": partial(Temperature, 0.7),
        "temperature, cold": partial(Temperature, 0.001),
        "temperature, hot": partial(Temperature, 1000.0),
        "top-k": partial(TopK, 5),
        "top-k, 1": partial(TopK, 1),
        "top-k, all": partial(TopK, 2**63 - 1),
        "top-p": partial(TopP, 0.8),
        "top-p, narrow": partial(TopP, 5e-324),
        "min-p": partial(MinP, 0.1),
        "min-p, low": partial(MinP, 5e-324),
        "min-p, 1": partial(MinP, 1.0),
        "repetition-penalty": partial(RepetitionPenalty, penalty=1.5, window=5),
        "repetition-penalty, high": partial(RepetitionPenalty, penalty=1000.0, window=1),
    }


class TestInitializers(InitializerSuite):
    initializers: ClassVar = {"default": Default, "uniform": Uniform, "normal": Normal, "orthogonal": Orthogonal}


class TestMetrics(MetricSuite):
    metrics: ClassVar = {
        "distinct": Distinct,
        "characters": partial(Distinct, (1, 4), "characters"),
        "memorization": partial(Memorization, 5),
    }
