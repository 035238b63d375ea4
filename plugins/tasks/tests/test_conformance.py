"""Every component of the plugin passes the suite of its kind."""

from functools import partial
from typing import ClassVar

from seqforge_tasks.digit_captions import DigitCaptions
from seqforge_tasks.digits import Digits
from seqforge_tasks.label_metrics import Accuracy, Confusion
from seqforge_tasks.name_origins import NameOrigins
from seqforge_tasks.sequence_metrics import EditDistance, ExactMatch, Pronunciation

from seqforge.testing import CorpusSuite, PredictionMetricSuite


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
        "pronunciation": Pronunciation,
    }
