"""The samplers and the metrics of C with every vocabulary."""

from collections.abc import Callable
from typing import Any

import pytest
from random_text import draw
from seqforge_c_samplers.checked import Balanced, Scoped
from seqforge_code_structure.terminators import analyze_terminators
from seqforge_code_structure.units import split_units
from seqforge_essentials.vocabularies import Bytes, Characters, Words
from seqforge_subwords.subwords import BytePairs, Unigram

import seqforge as sf
from seqforge.data.dataset import prepare
from seqforge.errors import ExperimentError
from seqforge.evaluation.baseline import score_baseline
from seqforge.evaluation.metrics import build_metrics
from seqforge.kinds import Sampler, Vocabulary

TEXT = "".join(
    f"/* ä {n} */\nstatic int f{n}(struct device *dev, int count)\n"
    f'{{\n\tif (count > {n})\n\t\treturn g(dev, "%d", count);\n'
    "#if 1\n\treturn 0;\n#endif\n}\n\n"
    for n in range(200)
)
VOCABULARIES: dict[str, dict[str, Any]] = {
    "bytes": {},
    "characters": {},
    "words": {"size": 300},
    "bpe": {"size": 400},
    "unigram": {"size": 400},
}
MAKE: dict[str, Callable[[], Vocabulary]] = {
    "bytes": Bytes,
    "characters": Characters,
    "words": lambda: Words(size=300),
    "words, <unk>": lambda: Words(size=300, unknown="<unk>"),
    "characters, ?": lambda: Characters(characters="abcdefghijklmnopqrstuvwxyz\n\t ({[,;*>", unknown="?"),
    "bpe": lambda: BytePairs(size=400),
    "unigram": lambda: Unigram(size=400),
}


@pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
@pytest.mark.parametrize("sampler", [Balanced(), Scoped()], ids=["balanced", "scoped"])
def test_every_sample_is_closed(make: Callable[[], Vocabulary], sampler: Sampler) -> None:
    vocabulary = make()
    vocabulary.learn([TEXT.encode()])
    for text in draw(sampler, vocabulary, "\n", count=3, length=60):
        assert [defect.message for unit in split_units(text) for defect in unit.defects] == []
        assert [defect.message for defect in analyze_terminators(text).defects] == []


@pytest.mark.parametrize("name", VOCABULARIES)
def test_the_metrics_find_no_fault_in_held_out_text(name: str) -> None:
    metrics = ("brackets", "terminators", "indentation", "identifiers")
    experiment = sf.Experiment(
        corpus=sf.use("inline", text=TEXT),
        vocabulary=sf.use(name, **VOCABULARIES[name]),
        data={"validation_fraction": 0.3},
        sampling={"prompt": "/* ", "length": 200, "count": 2},
        metrics=[sf.use(metric) for metric in metrics],
    )
    dataset = prepare(experiment, lambda event: None)
    values = score_baseline(build_metrics(experiment, dataset), experiment, dataset).values
    assert values["brackets.tails_balanced"] == values["indentation.agreement"] == 1
    assert values["brackets.errors_per_1000"] == values["identifiers.undefined"] == 0
    assert values["terminators.unterminated_strings"] == 0


def test_a_vocabulary_that_replaces_text_is_an_error_at_the_metric() -> None:
    with pytest.raises(ExperimentError, match=r"metrics\.1\.use: code-structure/brackets .* vocabulary\.unknown"):
        sf.Experiment(
            corpus=sf.use("inline", text=TEXT),
            vocabulary=sf.use("words", unknown="<unk>"),
            metrics=[sf.use("distinct"), sf.use("brackets")],
        )
