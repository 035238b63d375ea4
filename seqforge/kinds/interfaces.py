"""All public names of this folder."""

from seqforge.events import (
    DocumentsEncoded,
    Evaluated,
    RunFinished,
    RunStarted,
    Sampled,
    StepFinished,
    WorkProgressed,
)
from seqforge.kinds.attention import Attention
from seqforge.kinds.backend import Backend, BackendContext, OutputLayer, Refusal, SequenceFunction
from seqforge.kinds.cell import Cell, HiddenState, State, Stepper, map_state, scan
from seqforge.kinds.corpus import Corpus, Document, ExperimentPath
from seqforge.kinds.diagnosis import Diagnosis
from seqforge.kinds.elementwise_cell import ElementwiseCell, Gates, ProjectedCell
from seqforge.kinds.example_spec import Classes, ExampleSpec, Numbers, Text, Value
from seqforge.kinds.factored_cell import Equations, FactoredCell
from seqforge.kinds.generation_kernel import (
    FORBIDDEN,
    ConstraintAutomaton,
    GenerationKernel,
    GenerationModel,
    LogitRule,
    Resume,
)
from seqforge.kinds.initializer import Initializer
from seqforge.kinds.labelled_corpus import Example, LabelledCorpus
from seqforge.kinds.loss import IGNORED_TARGET, Loss
from seqforge.kinds.metric import Finding, FittedMetric, IndexedMetric, Metric, Score
from seqforge.kinds.optimizer import Optimizer
from seqforge.kinds.prediction_metric import ExamplePrediction, PredictionMetric
from seqforge.kinds.sampler import Sampler, SamplingContext
from seqforge.kinds.schedule import Progress, Schedule
from seqforge.kinds.tracker import TrackedRun, Tracker
from seqforge.kinds.vocabulary import CodedVocabulary, UnknownSymbolError, Vocabulary

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
    "SequenceFunction",
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
