"""Conformance suites for plugin authors. `seqforge plugins check` and pytest run them."""

from seqforge.testing.attention_suite import AttentionFactory, AttentionSuite
from seqforge.testing.backend_suite import BackendSuite
from seqforge.testing.cell_case import CaseSizes, CellFactory, build_case
from seqforge.testing.cell_suite import CellSuite
from seqforge.testing.conformance import ConformanceError
from seqforge.testing.corpus_suite import CorpusSuite
from seqforge.testing.initializer_suite import InitializerSuite
from seqforge.testing.loss_suite import LossSuite
from seqforge.testing.metric_suite import MetricSuite, PredictionMetricSuite
from seqforge.testing.optimizer_suite import OptimizerSuite
from seqforge.testing.sampler_suite import SamplerSuite
from seqforge.testing.schedule_suite import ScheduleSuite
from seqforge.testing.tracker_suite import TrackerSuite
from seqforge.testing.vocabulary_suite import VocabularySuite

__all__ = [
    "AttentionFactory",
    "AttentionSuite",
    "BackendSuite",
    "CaseSizes",
    "CellFactory",
    "CellSuite",
    "ConformanceError",
    "CorpusSuite",
    "InitializerSuite",
    "LossSuite",
    "MetricSuite",
    "OptimizerSuite",
    "PredictionMetricSuite",
    "SamplerSuite",
    "ScheduleSuite",
    "TrackerSuite",
    "VocabularySuite",
    "build_case",
]
