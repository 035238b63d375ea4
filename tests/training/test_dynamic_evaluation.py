"""Dynamic evaluation: a model learns from each sequence after it was scored."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqforge import Run, train
from seqforge.data.batches import Batch
from seqforge.errors import NonFiniteError, RunError
from seqforge.evaluation.likelihood import LikelihoodScore, score_blocks, summarize_blocks
from seqforge.events import WorkProgressed
from seqforge.kinds import IGNORED_TARGET
from seqforge.model.build import build_model
from seqforge.model.sequence_model import SequenceModel
from seqforge.training import dynamic_evaluation
from seqforge.training.dynamic_evaluation import check_learning_rate, measure_scales, score_dynamically

SYMBOLS, LENGTH = 4, 10


def cut(tokens: Tensor) -> Iterator[Batch]:
    """Yield a text as batches of one row, of which the last one is padded."""
    for start in range(0, len(tokens) - 1, LENGTH):
        inputs = torch.zeros(LENGTH, 1, dtype=torch.long)
        targets = torch.full((LENGTH, 1), IGNORED_TARGET)
        piece = tokens[start : start + LENGTH + 1]
        inputs[: len(piece) - 1, 0], targets[: len(piece) - 1, 0] = piece[:-1], piece[1:]
        yield Batch(inputs, targets, continues=start > 0)


def score(chosen: Any, tokens: Tensor, learning_rate: float, model: SequenceModel | None = None) -> LikelihoodScore:
    model = model or build_model(chosen, SYMBOLS)
    scales = measure_scales(model, cut(random_tokens(301, seed=1)))
    return score_dynamically(model, cut(tokens), scales, 1.0, len(tokens) - 1, learning_rate, chosen.training)


def random_tokens(length: int, seed: int = 0) -> Tensor:
    return torch.randint(SYMBOLS, (length,), generator=torch.Generator().manual_seed(seed))


def test_each_sequence_is_scored_by_the_weights_before_its_update(
    experiment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamic_evaluation, "PULL", 0.7)
    chosen = experiment(training={"gradient_clip_norm": 0.25, "gradient_clip_value": 0.05})
    tokens = random_tokens(73)
    model = build_model(chosen, SYMBOLS)
    trained = [parameter.detach().clone() for parameter in model.parameters()]
    scales = [torch.full_like(parameter, 0.5 + place) for place, parameter in enumerate(trained)]
    nats, states = [], model.initial_states(1)
    for start in range(0, len(tokens) - 1, LENGTH):
        piece = tokens[start : start + LENGTH + 1]
        logits, after = model(piece[:-1, None], states)
        losses = nn.functional.cross_entropy(logits[:, 0], piece[1:], reduction="none")
        nats += losses.tolist()
        gradients = torch.autograd.grad(losses.mean(), list(model.parameters()))
        norm = torch.cat([gradient.flatten() for gradient in gradients]).norm().item()
        for parameter, gradient, origin, scale in zip(model.parameters(), gradients, trained, scales, strict=True):
            parameter.data -= 0.5 * scale * (gradient * min(1.0, 0.25 / norm)).clamp(-0.05, 0.05)
            parameter.data += (0.7 / scale).clamp(max=1.0) * (origin - parameter.data)
        states = tuple(type(state)(*(part.detach() for part in state)) for state in after)
    fresh = build_model(chosen, SYMBOLS)
    found = score_dynamically(fresh, cut(tokens), scales, 1.0, 72, 0.5, chosen.training)
    assert found.tokens == 72
    assert found.loss == pytest.approx(sum(nats) / 72, abs=1e-5)


def test_the_steps_of_a_weight_are_divided_by_a_power_of_its_gradient_in_other_text(experiment: Any) -> None:
    model, tokens = build_model(experiment(model={"dropout": 0.9}), SYMBOLS), random_tokens(73)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    events: list[WorkProgressed] = []
    found = measure_scales(model, cut(tokens), events.append)
    assert [event.fraction for event in events] == [pytest.approx(count / 300) for count in range(1, 9)]
    squares, states = [torch.zeros_like(parameter) for parameter in before], model.initial_states(1)
    for start in range(0, 72, LENGTH):
        logits, after = model(tokens[start : start + LENGTH, None][: 72 - start], states)
        loss = nn.functional.cross_entropy(logits[:, 0], tokens[start + 1 : start + LENGTH + 1])
        for square, gradient in zip(squares, torch.autograd.grad(loss, list(model.parameters())), strict=True):
            square += gradient**2 / 8
        states = tuple(type(state)(*(part.detach() for part in state)) for state in after)
    mean = sum(float(square.sqrt().sum()) for square in squares) / sum(square.numel() for square in squares)
    for scale, square, parameter, unchanged in zip(found, squares, model.parameters(), before, strict=True):
        torch.testing.assert_close(scale, (square.sqrt() / mean + 0.02) ** -0.75)
        assert torch.equal(parameter, unchanged)


def test_a_learning_rate_near_zero_gives_the_score_of_fixed_weights(experiment: Any) -> None:
    chosen, tokens = experiment(), random_tokens(500)
    fixed = summarize_blocks(*score_blocks(build_model(chosen, SYMBOLS), cut(tokens)), 1.0)
    assert score(chosen, tokens, 1e-12).loss == pytest.approx(fixed.loss, abs=1e-6)


def test_a_text_that_repeats_is_learned_and_a_random_one_is_not_foreseen(experiment: Any) -> None:
    assert score(experiment(), torch.arange(SYMBOLS).repeat(300), 1.0).loss < 0.5 * math.log(SYMBOLS)
    # A model that learned from a sequence before it was scored would know it by heart.
    assert score(experiment(), random_tokens(1200), 1.0).loss > math.log(SYMBOLS)


def test_there_is_no_dropout(experiment: Any) -> None:
    tokens = random_tokens(200)
    assert score(experiment(model={"dropout": 0.9}), tokens, 1.0) == score(experiment(), tokens, 1.0)


def test_a_rate_that_is_too_high_is_an_error_that_says_so(experiment: Any) -> None:
    chosen = experiment(training={"gradient_clip_norm": None})
    with pytest.raises(NonFiniteError, match=r"the loss is (nan|inf) after \d+ tokens of dynamic") as caught:
        score(chosen, random_tokens(500), 1e38)
    assert caught.value.hint == "Use a lower learning rate."


@pytest.mark.parametrize("rate", [0, -1.0, math.nan, math.inf, True, "fast", torch.ones(1)])
def test_a_rate_that_is_no_finite_number_above_0_is_an_error(rate: Any) -> None:
    check_learning_rate(1)
    with pytest.raises(RunError, match="must be a finite number above 0, not"):
        check_learning_rate(rate)


def test_a_text_that_is_not_ascii_has_its_bits_per_byte(experiment: Any, tmp_path: Path) -> None:
    run: Run = train(experiment(corpus={"use": "inline", "text": "одна строка за другой\n" * 200}), tmp_path)
    fixed, dynamic = (run.evaluate(dynamic=rate) for rate in (None, 1e-9))
    assert isinstance(dynamic, LikelihoodScore)
    assert dynamic.record()["bits_per_byte"] == pytest.approx(fixed.record()["bits_per_byte"], rel=1e-4)
    assert dynamic.characters_per_byte < 0.6


def test_a_run_is_scored_dynamically_and_keeps_its_weights(experiment: Any, tmp_path: Path) -> None:
    run: Run = train(experiment(), tmp_path)
    fixed = run.evaluate()
    dynamic = run.evaluate(dynamic=0.5)
    assert isinstance(fixed, LikelihoodScore)
    assert isinstance(dynamic, LikelihoodScore)
    assert dynamic.loss < fixed.loss
    assert dynamic.tokens == fixed.tokens
    assert run.evaluate() == fixed
    events: list[object] = []
    with pytest.raises(RunError, match="must be a finite number above 0, not 0"):
        run.evaluate(dynamic=0.0, report=events.append)
    assert not events  # the corpus is not read for it


def test_labelled_examples_cannot_be_scored_dynamically(labelled_experiment: Any, tmp_path: Path) -> None:
    run: Run = train(labelled_experiment(training={"steps": 1}), tmp_path)
    with pytest.raises(RunError, match="dynamic evaluation needs a language model, not labelled examples"):
        run.evaluate(dynamic=0.5)
