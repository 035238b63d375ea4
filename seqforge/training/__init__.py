"""Training: the loop, evaluation, checkpoints, run directories, and a run as a Python value."""

from seqforge.training.checkpoint import Checkpoints
from seqforge.training.checkpoint_files import load_model
from seqforge.training.devices import choose_device
from seqforge.training.evaluation import LikelihoodScore, bits_per_character, score_likelihood
from seqforge.training.example_evaluation import ExampleScore
from seqforge.training.launch import resume, train
from seqforge.training.predicting import Prediction
from seqforge.training.run import Run
from seqforge.training.run_directory import RunDirectory, locate
from seqforge.training.samples import score_texts
from seqforge.training.state import TrainingState, initial_state
from seqforge.training.step import NonFiniteError, StepResult, train_step
from seqforge.training.trace import Trace, trace

__all__ = [
    "Checkpoints",
    "ExampleScore",
    "LikelihoodScore",
    "NonFiniteError",
    "Prediction",
    "Run",
    "RunDirectory",
    "StepResult",
    "Trace",
    "TrainingState",
    "bits_per_character",
    "choose_device",
    "initial_state",
    "load_model",
    "locate",
    "resume",
    "score_likelihood",
    "score_texts",
    "trace",
    "train",
    "train_step",
]
