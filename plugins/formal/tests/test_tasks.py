"""Every task is compared with a procedure that decides it in another way, and with the best guess."""

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_formal.answers import NO_ANSWER
from seqforge_formal.state_tracking import GROUPS
from seqforge_formal.tasks import TASKS

from seqforge.kinds import Classes, Numbers, Text
from seqforge.kinds.labelled_corpus import Example, example_fault

Decide = Callable[[str], list[str]]
"""A function from an input to the names of the answers: one for each step, or one for the whole."""


def at_every_prefix(decide: Callable[[str], str]) -> Decide:
    return lambda text: [decide(text[: step + 1]) for step in range(len(text))]


def count_pairs(text: str) -> str:
    pairs = sum(text[index : index + 2] in ("ab", "ba") for index in range(len(text)))
    return "no" if pairs % 2 else "yes"


def evaluate(text: str) -> str:
    return str(eval(text.rstrip("+-*")) % 5)


def reduce_brackets(text: str, *pairs: str) -> str:
    while (shorter := re.sub("|".join(map(re.escape, pairs)), "", text)) != text:
        text = shorter
    return text


def next_to_close(text: str) -> str:
    if text[-1] in "([{<":
        return NO_ANSWER
    rest = reduce_brackets(text, "()", "[]", "{}", "<>")
    return {"(": ")", "[": "]", "{": "}", "<": ">"}[rest[-1]] if rest else "none"


def has_equal_counts(letters: str) -> Decide:
    def decide(text: str) -> list[str]:
        assert re.fullmatch("".join(f"{letter}*" for letter in letters), text)
        return ["yes" if len({text.count(letter) for letter in letters}) == 1 else "no"]

    return decide


def has_balanced_kinds(text: str) -> list[str]:
    rest = [reduce_brackets(re.sub(f"[^{re.escape(pair)}]", "", text), pair) for pair in ("()", "[]")]
    return ["no" if any(rest) else "yes"]


def is_declared(text: str) -> str:
    name, before = text[-1], text[:-1]
    if not name.islower():
        return NO_ANSWER
    for place in (match.start() for match in re.finditer(name.upper(), before)):
        depths = np.cumsum([0, *({"{": 1, "}": -1}.get(symbol, 0) for symbol in before[place:])])
        if depths.min() >= 0:  # The scope of the declaration is still open.
            return "yes"
    return "no"


def after_queries(answer: Callable[[str], str]) -> Decide:
    def decide(text: str) -> list[str]:
        content = text.rstrip("?")
        return [NO_ANSWER] * len(content) + list(answer(content))

    return decide


def look_up(text: str) -> list[str]:
    (pairs, noise, queries) = re.fullmatch(r"((?:[^.][0-9A-F])*)(\.*)([^.]*)", text).groups()  # type: ignore[union-attr]
    values = dict(zip(pairs[::2], pairs[1::2], strict=True))
    assert sorted(queries) == sorted(values)
    return [NO_ANSWER] * len(pairs + noise) + [values[key] for key in queries]


def find_hidden(text: str) -> list[str]:
    first, second = text[: len(text) // 2], text[len(text) // 2 :]
    differences = [(one, other) for one, other in zip(first, second, strict=True) if one != other]
    ((hidden, mark),) = differences
    assert mark == "_"
    return [hidden]


DECIDE: dict[str, Decide] = {
    "parity": at_every_prefix(lambda text: "odd" if text.count("1") % 2 else "even"),
    "even-pairs": at_every_prefix(count_pairs),
    "cycle": at_every_prefix(lambda text: str((text.count("+") - text.count("-")) % 5)),
    "modular-arithmetic": at_every_prefix(evaluate),
    "modular-arithmetic-brackets": lambda text: [evaluate(text)],
    "counters-ab": has_equal_counts("ab"),
    "counters-abc": has_equal_counts("abc"),
    "counters-shuffle": has_balanced_kinds,
    "dyck-2": at_every_prefix(next_to_close),
    "dyck-4": at_every_prefix(next_to_close),
    "nested-names": at_every_prefix(is_declared),
    "copy": after_queries(str),
    "reverse": after_queries(lambda text: text[::-1]),
    "selective-copy": after_queries(lambda text: text.replace(".", "")),
    "bucket-sort": after_queries(lambda text: "".join(sorted(text))),
    "missing-duplicate": find_hidden,
    "mqar": look_up,
}


def answers_of(task: str, target: Any) -> list[str]:
    spec = TASKS[task].spec
    assert isinstance(spec.target, Classes)
    return [spec.target.names[index] for index in np.atleast_1d(target)]


def test_every_task_has_a_decision_procedure() -> None:
    groups = {f"word-problem-{group}" for group in GROUPS}
    assert {*DECIDE, *groups, "adding"} == set(TASKS)


@pytest.mark.parametrize("task", DECIDE)
@settings(max_examples=40)
@given(length=st.integers(3, 60), seed=st.integers(0, 2**32))
def test_the_target_is_that_of_the_decision_procedure(task: str, length: int, seed: int) -> None:
    text, target = TASKS[task].generate(np.random.default_rng(seed), length)
    assert isinstance(text, str)
    assert length - 2 <= len(text) <= length
    assert answers_of(task, target) == DECIDE[task](text)


@pytest.mark.parametrize(("group", "order"), [("s3", 6), ("a5", 60), ("s5", 120), ("z60", 60)])
def test_each_number_stands_for_one_product_of_the_group(group: str, order: int) -> None:
    text, target = TASKS[f"word-problem-{group}"].generate(np.random.default_rng(0), 20_000)
    assert isinstance(text, str)
    matrices = [np.eye(len(generator), dtype=int)[list(generator)] for generator in GROUPS[group]]
    product, products = np.eye(len(matrices[0]), dtype=int), []
    for symbol in text:
        product = matrices["abc".index(symbol)] @ product
        products.append(product.tobytes())
    pairs = set(zip(products, answers_of(f"word-problem-{group}", target), strict=True))
    assert len(pairs) == len(dict(pairs)) == len({answer for _, answer in pairs}) == order
    commutes = all(np.array_equal(one @ other, other @ one) for one in matrices for other in matrices)
    assert commutes == (group == "z60")


@given(length=st.integers(3, 60), seed=st.integers(0, 2**32))
def test_two_marked_numbers_are_added(length: int, seed: int) -> None:
    steps, total = TASKS["adding"].generate(np.random.default_rng(seed), length)
    assert isinstance(steps, np.ndarray)
    assert isinstance(total, np.ndarray)
    marked = [number for number, mark in steps.tolist() if mark == 1]
    assert len(steps) == length
    assert len(marked) == 2
    assert total == pytest.approx(sum(marked), abs=1e-6)


@pytest.mark.parametrize("task", TASKS)
def test_examples_of_every_length_fit_the_spec(task: str) -> None:
    generator = np.random.default_rng(0)
    for length in [*range(3, 40), 1000]:
        example = Example("", *TASKS[task].generate(generator, length))
        assert example_fault(TASKS[task].spec, example) is None
    assert isinstance(TASKS[task].spec.input, Text | Numbers)


@pytest.mark.parametrize("task", TASKS)
def test_the_best_guess_has_the_accuracy_of_chance(task: str) -> None:
    generator, chosen = np.random.default_rng(0), TASKS[task]
    drawn = [chosen.generate(generator, int(generator.integers(200, 257)))[1] for _ in range(1000)]
    if task == "adding":
        guessed = np.abs(np.array(drawn)[:, 0] - 1) < 0.04
        assert np.mean(guessed) == pytest.approx(chosen.chance, abs=0.04)
        return
    answers = [answer for target in drawn for answer in answers_of(task, target)[-128:] if answer != NO_ANSWER]
    most_frequent = Counter(answers).most_common(1)[0][1] / len(answers)
    assert most_frequent == pytest.approx(chosen.chance, abs=0.05)
