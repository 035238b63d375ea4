"""Additive and multiplicative attention: conformance, and the formulas of the papers."""

import torch
from seqforge_essentials.attentions import Additive, Multiplicative

QUERY, MEMORY = torch.randn(3, 1, 4), torch.randn(5, 1, 6)


def test_the_additive_score_equals_the_formula_of_bahdanau():
    attention = Additive(4, 6, size=7)
    score = attention.score(QUERY, attention.project(MEMORY))
    v, w, b, u = attention.energy.weight[0], attention.query.weight, attention.query.bias, attention.memory.weight
    assert score.shape == (1, 3, 5)
    for written in range(3):
        for read in range(5):
            expected = v @ torch.tanh(w @ QUERY[written, 0] + b + u @ MEMORY[read, 0])
            torch.testing.assert_close(score[0, written, read], expected)


def test_the_multiplicative_score_equals_the_formula_of_luong():
    attention = Multiplicative(4, 6)
    score = attention.score(QUERY, attention.project(MEMORY))
    torch.testing.assert_close(score[0], QUERY[:, 0] @ attention.memory.weight @ MEMORY[:, 0].t())
