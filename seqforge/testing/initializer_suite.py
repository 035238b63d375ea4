"""The conformance suite of initializers, for subclasses in the tests of a plugin."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import torch
from torch import Tensor

from seqforge.kinds import Initializer
from seqforge.kinds.initializer import initialize_parameter
from seqforge.testing.conformance import Factory, Suite, fail

SHAPES = {
    "input.embedding.weight": (50, 16),
    "stack.cells.0.input_weight": (64, 12),
    "stack.cells.0.recurrent_weight": (64, 16),
    "stack.cells.0.bias": (64,),
    "stack.cells.0.forget_peephole": (16,),
    "stack.cells.1.module.weight_hh_l0": (48, 16),
    "stack.cells.1.scale": (),
    "stack.cells.2.recurrent_weight": (1, 1),
    "stack.cells.3.filters": (6, 4, 3),
    "head.weight": (50, 16),
    "head.bias": (50,),
}
"""Names and shapes of parameters: matrices, vectors, a number, and a tensor of three axes."""

HIDDEN_SIZE = 16
"""Number of rows of a gate in the matrices of `SHAPES`."""


class InitializerSuite(Suite, kind="initializer"):
    """Tests that every initializer must pass, listed as those of `CellSuite`."""

    initializers: ClassVar[Mapping[str, Factory[Initializer]]]

    def test_every_parameter_is_filled_with_finite_numbers(self, make: Factory[Initializer]) -> None:
        """Parameters of any name, shape and type are filled in place with finite numbers."""
        for dtype in (torch.float32, torch.float64):
            _initialize(make, dtype)

    def test_hidden_units_differ(self, make: Factory[Initializer]) -> None:
        """No two units of a cell have equal rows in a gate, since units with equal weights learn the same."""
        for name, value in _initialize(make).items():
            if value.ndim != 2 or not name.startswith("stack."):
                continue
            gates: Sequence[Tensor] = torch.split(value, HIDDEN_SIZE)
            for gate in gates:
                if (different := len(cast("Any", gate).unique(dim=0))) < len(gate):
                    problem = f"rows of `{name}` are equal, so that their units learn the same"
                    fail(make, problem, expected=f"{len(gate)} different rows", got=different)

    def test_numbers_come_from_the_default_generator(self, make: Factory[Initializer]) -> None:
        """Equal seeds of torch's default generator give equal bits, so that a run can be repeated."""
        one, other = _initialize(make), _initialize(make)
        for name in SHAPES:
            if not torch.equal(one[name], other[name]):
                wanted = "random numbers from torch's default generator only"
                fail(make, f"`{name}` differs although the seed is equal", expected=wanted)


def _initialize(make: Factory[Initializer], dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    initializer = make()
    generator = torch.Generator().manual_seed(0)
    found: dict[str, Tensor] = {}
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(1)
        for name, shape in SHAPES.items():
            parameter = torch.nn.Parameter(torch.randn(shape, generator=generator, dtype=dtype))
            initialize_parameter(initializer, name, parameter)
            if list(parameter.shape) != list(shape) or parameter.dtype != dtype:
                fail(make, f"`initialize` changes the shape or type of `{name}`", got=list(parameter.shape))
            found[name] = parameter.detach()
    return found
