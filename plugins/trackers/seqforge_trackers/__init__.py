"""Trackers. Importing this module registers names, and imports none of their libraries."""

SEQFORGE_API = 1

COMPONENTS = {
    "tracker": {
        "tensorboard": "seqforge_trackers.tensorboard:TensorBoard",
        "wandb": "seqforge_trackers.weights_and_biases:WeightsAndBiases",
        "mlflow": "seqforge_trackers.mlflow:MLflow",
    },
}
