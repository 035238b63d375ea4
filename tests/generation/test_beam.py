"""Decoding sequences for examples: beam search against brute force and greedy decoding, and sampling."""

import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqforge.generation.predictions import beam_search, collapse_alignment
from seqforge.kinds import Classes, ExampleSpec, Text
from seqforge.model.build import build_model
from seqforge.model.sequence_model import SequenceModel
from seqforge.model.stack import EncoderOutput

EXAMPLE_SPEC = ExampleSpec(Text(), "sequence", Classes(("x", "y")), "sequence")
END = 2


def made_model(labelled_experiment: Any, seed: int, attention: str | None = None) -> SequenceModel:
    table: dict[str, Any] = {"topology": "many-to-many", "initializer": {"use": "uniform", "scale": 2.0}}
    if attention:
        table["attention"] = {"use": attention}
    corpus = {"use": "made", "output_mode": "sequence"}
    return build_model(
        labelled_experiment(experiment={"seed": seed}, corpus=corpus, model=table), 3, EXAMPLE_SPEC
    ).eval()


def encode(model: SequenceModel, lengths: list[int], seed: int) -> EncoderOutput:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randint(3, (max(lengths), len(lengths)), generator=generator)
    return model.encode(inputs, torch.tensor(lengths))


def log_probability(model: SequenceModel, encoded: EncoderOutput, row: int, symbols: tuple[int, ...]) -> float:
    """Return the log-probability of a sequence and its end symbol, by teacher forcing."""
    one = encoded.rows(torch.tensor([row]))
    known = torch.tensor([[END], *([symbol] for symbol in symbols)])
    logits, _ = model.decode(known, model.decoder_context(one))
    targets = torch.tensor([*symbols, END])
    return float(logits[:, 0].log_softmax(-1).gather(1, targets.unsqueeze(1)).sum())


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**20),
    lengths=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    normalization=st.sampled_from([0.0, 0.6, 2.0, 6.0]),
    length=st.integers(1, 4),
    attention=st.sampled_from([None, "additive"]),
)
def test_a_beam_that_holds_every_sequence_equals_brute_force(
    labelled_experiment: Any, seed: int, lengths: list[int], normalization: float, length: int, attention: str | None
) -> None:
    model = made_model(labelled_experiment, seed, attention)
    sequences = [found for count in range(length + 1) for found in itertools.product((0, 1), repeat=count)]
    with torch.no_grad():
        encoded = encode(model, lengths, seed)
        found = beam_search(model, encoded, width=3**length, normalization=normalization, length=length)
        for row, decoded in enumerate(found):
            scores = {
                symbols: log_probability(model, encoded, row, symbols) / ((6 + len(symbols)) / 6) ** normalization
                for symbols in sequences
            }
            best = max(scores.values())
            symbols = tuple(decoded.values.tolist())
            assert scores[symbols] == pytest.approx(best, abs=1e-4)
            expected = log_probability(model, encoded, row, symbols)
            assert math.log(decoded.confidence or 0) == pytest.approx(expected, abs=1e-4)


def test_a_beam_that_holds_every_sequence_is_never_worse_than_a_beam_of_one(labelled_experiment: Any) -> None:
    with torch.no_grad():
        for seed in range(5):
            model = made_model(labelled_experiment, seed)
            encoded = encode(model, [2, 4], seed)
            narrow, whole = (beam_search(model, encoded, width=width, normalization=0.0, length=4) for width in (1, 81))
            for one, best in zip(narrow, whole, strict=True):
                assert math.log(one.confidence or 0) <= math.log(best.confidence or 0) + 1e-5


@pytest.mark.parametrize("length", [4, 30])
def test_a_large_normalization_selects_the_longest_sequence(labelled_experiment: Any, length: int) -> None:
    model = made_model(labelled_experiment, 11)
    with torch.no_grad():
        found = beam_search(model, encode(model, [1, 3], 2), width=3, normalization=1000.0, length=length)
    assert [len(decoded.values) for decoded in found] == [length, length]
    # A view would keep the history of the whole beam in memory.
    assert all(decoded.values.base is None for decoded in found)


def test_rows_of_a_batch_are_decoded_as_they_are_alone(labelled_experiment: Any) -> None:
    model = made_model(labelled_experiment, 7, "multiplicative")
    with torch.no_grad():
        encoded = encode(model, [1, 4, 2], 3)
        together = beam_search(model, encoded, width=3, normalization=0.6, length=5)
        for row, decoded in enumerate(together):
            (alone,) = beam_search(model, encoded.rows(torch.tensor([row])), width=3, normalization=0.6, length=5)
            assert alone.values.tolist() == decoded.values.tolist()


def test_collapsing_an_alignment_removes_repetitions_and_blanks() -> None:
    assert collapse_alignment(torch.tensor([3, 0, 0, 3, 0, 1, 1, 3]), blank=3).tolist() == [0, 0, 1]
    assert collapse_alignment(torch.tensor([3, 3]), blank=3).tolist() == []
