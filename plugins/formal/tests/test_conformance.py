"""Every component of the plugin passes the suite of its kind."""

from functools import partial
from typing import ClassVar

from seqforge_formal.by_length import ByLength
from seqforge_formal.corpus import FormalTask
from seqforge_formal.tasks import TASKS

from seqforge.testing.corpus_suite import CorpusSuite
from seqforge.testing.metric_suite import PredictionMetricSuite


class TestCorpora(CorpusSuite):
    corpora: ClassVar = {task: partial(FormalTask, task, count=5) for task in TASKS}


class TestMetrics(PredictionMetricSuite):
    metrics: ClassVar = {
        "by-length": ByLength,
        "by-length, prefixes": partial(ByLength, limits=(1, 2), measure="prefix"),
    }
