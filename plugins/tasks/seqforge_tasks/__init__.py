"""Labelled corpora and metrics of predictions. Importing this module registers names and does not import torch."""

SEQFORGE_API = 1

COMPONENTS = {
    "corpus": {
        "digits": "seqforge_tasks.digits:Digits",
        "digit-captions": "seqforge_tasks.digits:DigitCaptions",
        "name-origins": "seqforge_tasks.words:NameOrigins",
        "cmudict": "seqforge_tasks.words:Pronunciations",
    },
    "metric": {
        "accuracy": "seqforge_tasks.metrics:Accuracy",
        "confusion": "seqforge_tasks.metrics:Confusion",
        "exact-match": "seqforge_tasks.metrics:ExactMatch",
        "edit-distance": "seqforge_tasks.metrics:EditDistance",
    },
}
