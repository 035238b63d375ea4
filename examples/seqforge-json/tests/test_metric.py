"""The metric conforms, and finds the first error of each line."""

from typing import ClassVar

from seqforge.testing.metric_suite import MetricSuite

from seqforge_json.metric import ValidJson


class TestValidJson(MetricSuite):
    metrics: ClassVar = {"default": ValidJson}


def test_whole_lines_count() -> None:
    score = ValidJson().score(['x": 1}\n{"a": 1}\n{"a" 2}\n\n{"b', "no line"])
    assert score.values == {"valid": 0.5}
    assert score.weights == {"valid": 2}
    (finding,) = score.findings
    assert (finding.text, finding.start, finding.message) == (0, 21, "Expecting ':' delimiter")


def test_deep_nesting_is_a_finding() -> None:
    assert ValidJson().score(["\n" + "[" * 100_000 + "\n"]).findings[0].message == "RecursionError"
