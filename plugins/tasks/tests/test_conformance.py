"""Every component of the plugin passes the suite of its kind."""

from functools import partial
from typing import ClassVar

from seqforge_tasks.digits import DigitCaptions, Digits
from seqforge_tasks.metrics import Accuracy, Confusion, EditDistance, ExactMatch
from seqforge_tasks.words import NameOrigins

from seqforge.testing.corpus_suite import CorpusSuite
from seqforge.testing.metric_suite import PredictionMetricSuite


class TestCorpora(CorpusSuite):
    corpora: ClassVar = {
        "digits": Digits,
        "digits, rows": partial(Digits, "rows"),
        "digit-captions": DigitCaptions,
        "name-origins": NameOrigins,
    }
    limit: ClassVar = 200


class TestMetrics(PredictionMetricSuite):
    metrics: ClassVar = {
        "accuracy": partial(Accuracy, per_class=True),
        "confusion": Confusion,
        "exact-match": ExactMatch,
        "edit-distance": EditDistance,
    }
