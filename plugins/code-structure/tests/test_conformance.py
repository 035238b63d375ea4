"""Every component of the plugin passes the suite of its kind."""

from functools import partial
from typing import ClassVar

from seqforge_code_structure.labels import LabelledCharacters
from seqforge_code_structure.metrics import Brackets, CompilesDeclared, Identifiers, Indentation, Terminators

from seqforge.api.session_corpora import texts
from seqforge.testing.corpus_suite import CorpusSuite
from seqforge.testing.metric_suite import MetricSuite

SOURCE = texts(["int f(void)\n{\n\treturn g(1); /* one */\n}\n" * 20, "#define X 'a'\n"])


class TestCorpora(CorpusSuite):
    corpora: ClassVar = {"c-characters": partial(LabelledCharacters, SOURCE(), length=50)}


class TestMetrics(MetricSuite):
    metrics: ClassVar = {
        "brackets": Brackets,
        "terminators": Terminators,
        "indentation": Indentation,
        "identifiers": Identifiers,
        "compiles-declared": CompilesDeclared,
    }
