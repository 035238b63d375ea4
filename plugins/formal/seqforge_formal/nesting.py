"""Tasks of counting and nesting, which need a counter or a stack: the memory grows with the depth."""

import numpy as np
from numpy.typing import NDArray

from seqforge_formal.answers import Generate, write
from seqforge_formal.state_tracking import MODULUS

OPENING, CLOSING = "([{<", ")]}>"

NAMES = "abcdefgh"
"""Names of `nested-names`: a capital letter declares one, and a small letter uses it."""


def arithmetic_in_brackets(generator: np.random.Generator, length: int) -> tuple[str, int]:
    """Draw an expression of sums, differences and products in brackets; the answer is its value modulo 5."""
    if length <= 4:
        digit = int(generator.integers(0, MODULUS))
        text = ("{}", "-{}", "({})", "(-{})")[length - 1].format(digit)
        return text, (-digit if "-" in text else digit) % MODULUS
    size = int(generator.integers(1, length - 3))
    left, first = arithmetic_in_brackets(generator, size)
    right, second = arithmetic_in_brackets(generator, length - 3 - size)
    operator = "+-*"[generator.integers(0, 3)]
    value = first + second if operator == "+" else first - second if operator == "-" else first * second
    return f"({left}{operator}{right})", value % MODULUS


def dyck(kinds: int) -> Generate:
    """Return the task of naming, after each closing bracket, the bracket that must be closed next."""

    def draw(generator: np.random.Generator, length: int) -> tuple[str, NDArray[np.int64]]:
        choices: list[int] = generator.integers(0, 2 * kinds, length).tolist()
        stack: list[int] = []
        text, target = "", np.zeros(length, dtype=np.int64)
        for step, choice in enumerate(choices):
            if stack and choice >= kinds:
                text += CLOSING[stack.pop()]
                target[step] = 2 + stack[-1] if stack else 1
            else:
                stack.append(choice % kinds)
                text += OPENING[choice % kinds]
        return text, target

    return draw


def counters(letters: str) -> Generate:
    """Return the task to recognize aⁿbⁿ or aⁿbⁿcⁿ. Half of the texts have a wrong number of some letter."""

    def draw(generator: np.random.Generator, length: int) -> tuple[str, int]:
        count = length // len(letters)
        counts = np.full(len(letters), count)
        is_right = int(generator.integers(0, 2))
        if not is_right:
            more, less = generator.permutation(len(letters))[:2]
            moved = int(generator.integers(1, max(2, count // 2)))
            counts[more], counts[less] = count + moved, count - moved
        return "".join(letter * number for letter, number in zip(letters, counts, strict=True)), is_right

    return draw


def shuffle(generator: np.random.Generator, length: int) -> tuple[str, int]:
    """Draw two kinds of brackets that may cross; the answer is whether each kind is balanced. Half of them are not."""
    open_brackets = [0, 0]
    kinds: list[int] = []
    is_closing: list[bool] = []
    for remaining in range(2 * (length // 2), 0, -1):
        count = sum(open_brackets)
        close = count == remaining or (count > 0 and generator.random() < 0.5)
        kind = int(generator.random() * count >= open_brackets[0]) if close else int(generator.integers(0, 2))
        open_brackets[kind] += -1 if close else 1
        kinds.append(kind)
        is_closing.append(close)
    is_right = int(generator.integers(0, 2))
    if not is_right:
        wrong = int(generator.integers(0, len(kinds)))
        is_closing[wrong] = not is_closing[wrong]
    return write([kind + 2 * close for kind, close in zip(kinds, is_closing, strict=True)], "([)]"), is_right


def nested_names(generator: np.random.Generator, length: int) -> tuple[str, NDArray[np.int64]]:
    """Draw scopes, declarations and uses; the answer at a use is whether an enclosing scope declares the name."""
    scopes: list[set[int]] = []
    text, target = "", np.zeros(length, dtype=np.int64)
    for step in range(length):
        visible = set[int]().union(*scopes)
        action = generator.random()
        if action < 0.4 and 0 < len(visible) < len(NAMES):
            known = bool(generator.integers(0, 2))
            names = [name for name in range(len(NAMES)) if (name in visible) == known]
            text += NAMES[generator.choice(names)]
            target[step] = 1 + known
        elif action < 0.6 and scopes:
            scopes.pop()
            text += "}"
        elif action < 0.75 or not scopes:
            scopes.append(set())
            text += "{"
        else:
            name = int(generator.integers(0, len(NAMES)))
            scopes[-1].add(name)
            text += NAMES[name].upper()
    return text, target
