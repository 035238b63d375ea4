"""Tasks of state tracking, which a finite automaton solves: the answer at every step depends on the state so far."""

import numpy as np
from numpy.typing import NDArray

from seqforge_formal.answers import Generate, write

MODULUS = 5
"""Number of positions of the cycle, and modulus of the arithmetic."""

GROUPS: dict[str, tuple[tuple[int, ...], ...]] = {
    "s3": ((1, 0, 2), (1, 2, 0)),
    "a5": ((1, 2, 0, 3, 4), (1, 2, 3, 4, 0)),
    "s5": ((1, 0, 2, 3, 4), (1, 2, 3, 4, 0)),
    "z60": (
        (1, 2, 0, 3, 4, 5, 6, 7, 8, 9, 10, 11),
        (0, 1, 2, 4, 5, 6, 3, 7, 8, 9, 10, 11),
        (0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 7),
    ),
}
"""Generators of each group, as permutations: entry i is the place whose content moves to place i."""


def parity(generator: np.random.Generator, length: int) -> tuple[str, NDArray[np.int64]]:
    """Draw bits; the answer is whether the number of ones is odd."""
    bits = generator.integers(0, 2, length)
    return write(bits, "01"), np.cumsum(bits) % 2


def even_pairs(generator: np.random.Generator, length: int) -> tuple[str, NDArray[np.int64]]:
    """Draw letters; the answer is whether `ab` and `ba` occur together an even number of times."""
    letters = generator.integers(0, 2, length)
    changes = np.diff(letters, prepend=letters[0]) != 0
    return write(letters, "ab"), 1 - np.cumsum(changes) % 2


def cycle(generator: np.random.Generator, length: int) -> tuple[str, NDArray[np.int64]]:
    """Draw steps back, none and forward on a cycle of five positions; the answer is the position."""
    moves = generator.integers(0, 3, length)
    return write(moves, "-0+"), np.cumsum(moves - 1) % MODULUS


def modular_arithmetic(generator: np.random.Generator, length: int) -> tuple[str, NDArray[np.int64]]:
    """Draw digits and operators in turn; the answer is the value modulo 5, with products before sums.

    After an operator, it is the value before it.
    """
    digits = generator.integers(0, MODULUS, (length + 1) // 2).tolist()
    operators = write(generator.integers(0, 3, length // 2), "+-*")
    text, finished, term = str(digits[0]), 0, digits[0]
    values = [term % MODULUS]
    for index, operator in enumerate(operators, start=1):
        text += operator
        values.append(values[-1])
        if index < len(digits):
            text += str(digits[index])
            if operator == "*":
                term *= digits[index]
            else:
                finished, term = finished + term, digits[index] if operator == "+" else -digits[index]
            finished, term = finished % MODULUS, term % MODULUS
            values.append((finished + term) % MODULUS)
    return text, np.array(values)


def word_problem(group: str) -> Generate:
    """Return the task to multiply generators of a group; the answer is the number of the product."""
    generators = GROUPS[group]
    elements = [tuple(range(len(generators[0])))]
    numbers = {elements[0]: 0}
    products: list[list[int]] = []
    for element in elements:  # which grows, until the products of all elements are known
        products.append([])
        for permutation in generators:
            product = tuple(element[place] for place in permutation)
            if product not in numbers:
                numbers[product] = len(elements)
                elements.append(product)
            products[-1].append(numbers[product])

    def draw(generator: np.random.Generator, length: int) -> tuple[str, NDArray[np.int64]]:
        factors: list[int] = generator.integers(0, len(generators), length).tolist()
        states = [0]
        for factor in factors:
            states.append(products[states[-1]][factor])
        return write(factors, "abc"), np.array(states[1:])

    return draw
