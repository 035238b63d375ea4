"""The conformance suite of samplers, for subclasses in the tests of a plugin."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from seqforge.faults import wrong_result
from seqforge.kinds import RedrawingSampler, Sampler, SamplingContext, UnknownSymbolError, Vocabulary
from seqforge.kinds.sampler import drawing_fault, finish_symbols, review_symbols, transform_logits
from seqforge.testing.conformance import Factory, Suite, fail, require_equal


class _Step(NamedTuple):
    """Logits before and after a sampler, and the symbols that are drawn from them.

    Attributes:
        if_improbable: Result for logits in which forbidden symbols are only improbable.
    """

    logits: Tensor
    result: Tensor
    tokens: Tensor
    if_improbable: Tensor


class FirstCharacters(Vocabulary):
    """The first characters of Unicode, such as the 128 of ASCII."""

    def __init__(self, size: int = 128) -> None:
        self._size = size

    @property
    def size(self) -> int:
        """Number of characters."""
        return self._size

    def encode_bytes(self, content: bytes) -> NDArray[np.uint16]:
        """Return the code points."""
        for position, character in enumerate(content.decode()):
            if ord(character) >= self._size:
                raise UnknownSymbolError(character, position)
        return np.array([ord(character) for character in content.decode()], dtype=np.uint16)

    def decode_tokens(self, tokens: Sequence[int]) -> bytes:
        """Return the characters in UTF-8."""
        return "".join(map(chr, tokens)).encode()

    def state(self) -> dict[str, Any]:
        """Return an empty state."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Do nothing, since there is no state."""


class SamplerSuite(Suite, kind="sampler"):
    """Tests that every sampler must pass, listed as those of `CellSuite`.

    Attributes:
        samplers: Functions that return a sampler, by name.
        vocabulary: Vocabulary of the model.
        prompts: Texts that samples start with.
        length: Number of symbols that are drawn for each prompt.
    """

    samplers: ClassVar[Mapping[str, Factory[Sampler]]]
    vocabulary: ClassVar[Vocabulary] = FirstCharacters()
    prompts: ClassVar[Sequence[str]] = ("a", "f(a[", "\n")
    length: ClassVar[int] = 24

    def test_logits_stay_logits(self, make: Factory[Sampler]) -> None:
        """The result has the shape and type of the logits and at least one possible symbol, and no NaN.

        Symbols may have numbers above 127 and 255.
        """
        sampler = make()
        wide = self._generation(make, sampler, "a", slice(3), None, vocabulary=FirstCharacters(1000))
        for step in (*self._generate(make, sampler), *wide):
            if step.result.dtype != step.logits.dtype:
                fail(make, "the type of the logits changes", expected=step.logits.dtype, got=step.result.dtype)
            if fault := drawing_fault(step.result):
                raise wrong_result(sampler.transform, fault)

    def test_forbidden_symbols_stay_forbidden(self, make: Factory[Sampler]) -> None:
        """In a chain, a symbol that an earlier sampler forbids stays forbidden, unless no other symbol is left."""
        for step in self._generate(make):
            forbidden = step.logits == -torch.inf
            possible = step.result.softmax(-1) > 0
            allowed_again = forbidden & possible & (possible & ~forbidden).any(-1, keepdim=True)
            if allowed_again.any():
                problem = "a symbol that an earlier sampler of the chain forbids is allowed again"
                fail(make, problem, expected="minus infinity", got=step.result[allowed_again][0].item())
            problem = (
                "the probability of a symbol changes if another one is forbidden instead of improbable: is p log p NaN?"
            )
            require_equal(
                make, problem, {"": step.result.softmax(-1)}, {"": step.if_improbable.softmax(-1)}, tolerance=1e-5
            )

    def test_rows_do_not_affect_each_other(self, make: Factory[Sampler]) -> None:
        """A sample has the same logits in a batch as alone."""
        together = self._generate(make)
        for row in range(3):
            rows = slice(row, row + 1)
            drawn = [step.tokens[rows] for step in together]
            alone = self._generate(make, rows=rows, drawn=drawn)
            for number, (one, other) in enumerate(zip(together, alone, strict=True)):
                problem = f"sample {row} depends on the other samples (draw {number})"
                require_equal(make, problem, {"": one.result[rows]}, {"": other.result}, tolerance=0.0)

    def test_the_same_draws_have_the_same_logits(self, make: Factory[Sampler]) -> None:
        """A sampler gives the same logits in a second generation, also if the two take turns."""
        sampler = make()
        first = self._generate(make, sampler)
        drawn = [step.tokens for step in first]
        problem = "the logits depend on earlier samples or on random numbers"
        for number, (one, other) in enumerate(zip(first, self._generate(make, sampler, drawn=drawn), strict=True)):
            require_equal(make, f"{problem} (draw {number})", {"": other.result}, {"": one.result}, tolerance=0.0)
        turns = [self._generation(make, sampler, prompt, slice(None), None) for prompt in self.prompts]
        problem = "two generations at the same time affect each other: keep the memory out of attributes"
        for number, steps in enumerate(zip(*turns, strict=True)):
            for index, step in enumerate(steps):
                wanted = {"": first[index * self.length + number].result}
                require_equal(make, f"{problem} (draw {number})", {"": step.result}, wanted, tolerance=0.0)

    def test_reviews_and_the_end_are_valid(self, make: Factory[Sampler]) -> None:
        """A redrawing sampler keeps and settles symbols in order, judges alike again, and ends within the length."""
        sampler = make()
        if not isinstance(sampler, RedrawingSampler):
            return
        generator = torch.Generator().manual_seed(0)
        for prompt in self.prompts:
            memory, room = self._start(sampler, prompt, 1), self.length
            tokens = cast("list[int]", torch.randint(self.vocabulary.size, (room,), generator=generator).tolist())
            reviews = [review_symbols(sampler, memory, tokens, room) for _ in range(2)]
            if reviews[0] != reviews[1]:
                fail(make, "a second review differs", expected=reviews[0], got=reviews[1])
            kept, settled = reviews[0]
            ends = [finish_symbols(sampler, memory, tokens[:kept], room)]
            if settled:
                memory = sampler.settle(memory, tokens[:settled])
                ends.append(tokens[:settled] + finish_symbols(sampler, memory, tokens[settled:kept], room - settled))
            if ends[0] != ends[-1]:
                fail(make, "the end depends on what is settled", expected=ends[0], got=ends[-1])

    def _start(self, sampler: Sampler, prompt: str, batch: int, vocabulary: Vocabulary | None = None) -> Any:
        vocabulary = vocabulary or self.vocabulary
        tokens = torch.as_tensor(vocabulary.encode(prompt).astype(np.int64))
        return sampler.start(SamplingContext(tokens, batch, self.length, vocabulary))

    def _generate(
        self,
        make: Factory[Sampler],
        sampler: Sampler | None = None,
        *,
        rows: slice = slice(3),
        drawn: Sequence[Tensor] | None = None,
    ) -> list["_Step"]:
        """Draw samples from random logits for every prompt, or follow symbols that were drawn."""
        steps: list[_Step] = []
        for index, prompt in enumerate(self.prompts):
            own = drawn and drawn[index * self.length : (index + 1) * self.length]
            steps += self._generation(make, sampler or make(), prompt, rows, own)
        return steps

    def _generation(
        self,
        make: Factory[Sampler],
        sampler: Sampler,
        prompt: str,
        rows: slice,
        drawn: Sequence[Tensor] | None,
        *,
        vocabulary: Vocabulary | None = None,
    ) -> Iterable["_Step"]:
        generator = torch.Generator().manual_seed(len(prompt))
        size = (vocabulary or self.vocabulary).size
        memory = self._start(sampler, prompt, len(range(3)[rows]), vocabulary)
        for number in range(self.length):
            logits = _random_logits(size, number, generator)[rows]
            given = logits.clone()
            result = transform_logits(sampler, logits, memory)
            if not torch.equal(logits, given):
                fail(make, "`transform` modifies the given logits", expected="new logits")
            # The greatest and the least probable of the possible symbols in turn, so that all are drawn.
            least = result.masked_fill(result == -torch.inf, torch.inf).argmin(-1)
            tokens = drawn[number] if drawn else result.argmax(-1) if number % 2 else least
            if_improbable = transform_logits(sampler, logits.clamp(min=-1e30), memory)
            memory = sampler.advance(memory, tokens, logits)
            yield _Step(logits, result, tokens, if_improbable)


def _random_logits(size: int, number: int, generator: torch.Generator) -> Tensor:
    """Return logits of 3 rows: alternately with ties, with large differences, and with few possible symbols."""
    logits = 3 * torch.randn(3, size, generator=generator)
    logits = (logits, logits.round(), 20 * logits)[number % 3]
    best = functional.one_hot(logits.argmax(-1), size).bool()
    share = (0.3, 0.99)[number % 2]
    return logits.masked_fill(~best & (torch.rand(3, size, generator=generator) < share), -torch.inf)
