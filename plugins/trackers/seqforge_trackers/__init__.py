"""Trackers. Importing this module registers names, and imports none of their libraries."""

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Register the name and the location of every tracker."""
    register.tracker("tensorboard", "seqforge_trackers.tensorboard:TensorBoard")
    register.tracker("wandb", "seqforge_trackers.weights_and_biases:WeightsAndBiases")
    register.tracker("mlflow", "seqforge_trackers.mlflow:MLflow")
    register.tracker("trackio", "seqforge_trackers.trackio:Trackio")
