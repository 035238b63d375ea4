"""The interfaces that plugins implement."""

from seqforge.events import (
    DocumentsEncoded,
    Evaluated,
    RunFinished,
    RunStarted,
    Sampled,
    StepFinished,
    WorkProgressed,
)
from seqforge.interfaces.attention import Attention
from seqforge.interfaces.backend import Backend, BackendContext, OutputLayer, Refusal, SequenceReader
from seqforge.interfaces.cell import Cell, HiddenState, State, Stepper, map_state, scan
from seqforge.interfaces.corpus import Corpus, Document, ExperimentPath
from seqforge.interfaces.diagnosis import Diagnosis
from seqforge.interfaces.elementwise_cell import ElementwiseCell, Gates, ProjectedCell
from seqforge.interfaces.example_spec import Classes, ExampleSpec, Numbers, Text
from seqforge.interfaces.factored_cell import Equations, FactoredCell
from seqforge.interfaces.generation_kernel import (
    FORBIDDEN,
    ConstraintAutomaton,
    GenerationKernel,
    GenerationModel,
    LogitRule,
    Resume,
)
from seqforge.interfaces.labelled_corpus import Example, LabelledCorpus, Value
from seqforge.interfaces.loss import IGNORED_TARGET, Loss
from seqforge.interfaces.metric import Finding, FittedMetric, IndexedMetric, Metric, Score
from seqforge.interfaces.optimization import Initializer, Optimizer, Progress, Schedule
from seqforge.interfaces.prediction_metric import ExamplePrediction, PredictionMetric
from seqforge.interfaces.sampler import Sampler, SamplingContext
from seqforge.interfaces.tracker import TrackedRun, Tracker
from seqforge.interfaces.vocabulary import CodedVocabulary, UnknownSymbolError, Vocabulary

__all__ = [
    "FORBIDDEN",
    "IGNORED_TARGET",
    "Attention",
    "Backend",
    "BackendContext",
    "Cell",
    "Classes",
    "CodedVocabulary",
    "ConstraintAutomaton",
    "Corpus",
    "Diagnosis",
    "Document",
    "DocumentsEncoded",
    "ElementwiseCell",
    "Equations",
    "Evaluated",
    "Example",
    "ExamplePrediction",
    "ExampleSpec",
    "ExperimentPath",
    "FactoredCell",
    "Finding",
    "FittedMetric",
    "Gates",
    "GenerationKernel",
    "GenerationModel",
    "HiddenState",
    "IndexedMetric",
    "Initializer",
    "LabelledCorpus",
    "LogitRule",
    "Loss",
    "Metric",
    "Numbers",
    "Optimizer",
    "OutputLayer",
    "PredictionMetric",
    "Progress",
    "ProjectedCell",
    "Refusal",
    "Resume",
    "RunFinished",
    "RunStarted",
    "Sampled",
    "Sampler",
    "SamplingContext",
    "Schedule",
    "Score",
    "SequenceReader",
    "State",
    "StepFinished",
    "Stepper",
    "Text",
    "TrackedRun",
    "Tracker",
    "UnknownSymbolError",
    "Value",
    "Vocabulary",
    "WorkProgressed",
    "map_state",
    "scan",
]
