"""Trackers. Importing this module registers names, and imports none of their libraries."""

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Register the name and the location of every tracker."""
    register.add("tracker", "tensorboard", "seqforge_trackers.tensorboard:TensorBoard")
    register.add("tracker", "wandb", "seqforge_trackers.weights_and_biases:WeightsAndBiases")
    register.add("tracker", "mlflow", "seqforge_trackers.mlflow:MLflow")
    register.add("tracker", "trackio", "seqforge_trackers.trackio:Trackio")
