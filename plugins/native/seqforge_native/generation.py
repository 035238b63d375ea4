"""Generation on the compiled kernels, for models of RNN, GRU and LSTM layers."""

import ctypes
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqforge.kinds import ConstraintAutomaton, FactoredCell, GenerationModel, Resume
from seqforge_native.generation_weights import GenerationWeights
from seqforge_native.layout import padded
from seqforge_native.library import RESUME, Decode, HeldTensors, Layer, Library
from seqforge_native.sequence import checked

_SHARED_BYTES = 1 << 20
"""Size of weights above which reading them takes longer than synchronizing the threads after each layer."""

_FEWEST_ROWS = 8
"""Number of rows from which a thread multiplies as fast as with more rows."""

_TABLES, _ARRAYS = ("next_states", "actions", "costs", "closing_lengths"), ("states", "stacks", "heights")

_INT8_DEPTH = 1 << 16
"""Length up to which a sum of 8-bit products fits in 32 bits."""


def can_generate(library: Library, model: GenerationModel) -> bool:
    """Return whether the kernels can generate with a model: RNN, GRU and LSTM layers in float32 on the CPU."""
    if not library.generates(model.dtype):
        return False
    tensors = [model.head_weight, *(part for state in model.states for part in state)]
    for cell in model.cells:
        if not isinstance(cell, FactoredCell) or cell.equations is None:
            return False
        tensors += cell.parameters()
    if not all(tensor.dtype == torch.float32 and tensor.device.type == "cpu" for tensor in tensors):
        return False
    return model.dtype != torch.int8 or _fits_int8(model)


def _fits_int8(model: GenerationModel) -> bool:
    """Return whether the weights are finite, so that they have a scale, and sums of products fit in 32 bits."""
    weights = [parameter for cell in model.cells for parameter in cell.parameters()] + [model.head_weight]
    return all(weight.shape[-1] <= _INT8_DEPTH and bool(weight.isfinite().all()) for weight in weights)


class NativeGenerationKernel:
    """A model in the layout of the kernels, with a state that continues from call to call.

    If there are enough rows, each thread draws its own rows without waiting for the others. Otherwise the threads share
    the columns of every product of a large model.

    Args:
        library: Kernels for this processor.
        model: Language model that `can_generate` accepts.
    """

    def __init__(self, library: Library, model: GenerationModel) -> None:
        self._library, self._model = library, model
        self._weights = GenerationWeights(library, model)
        self._parts: list[_Rows] = []

    def __call__(
        self,
        last: Int[Tensor, " batch"],
        uniforms: Float[Tensor, "steps batch"],
        automaton: ConstraintAutomaton | None = None,
        resume: Resume | None = None,
    ) -> Int[Tensor, "drawn batch"]:
        """Draw symbols; see `GenerationKernel.__call__`.

        Raises:
            IndexError: If a symbol of `last` is out of range.
        """
        last = checked(last, self._weights.call.symbols)
        if not self._parts:
            # An automaton stops all rows at the same step, so they are not divided.
            self._parts = self._divide(1 if automaton else torch.get_num_threads())
        for part in self._parts:
            part.prepare(last, uniforms)
        if automaton:
            drawn = self._parts[0].draw_constrained(automaton, resume)
        else:
            drawn = self._parts[0].draw() if len(self._parts) == 1 else self._draw_together()
        return torch.cat([part.tokens[1 : 1 + drawn] for part in self._parts], dim=1)

    @property
    def probabilities(self) -> Float[Tensor, "batch symbols"]:
        """Probabilities of the last draw; those below 2⁻¹²⁶ times the largest are 0."""
        weights = torch.cat([part.logits for part in self._parts])[:, : self._weights.call.symbols]
        return weights / weights.sum(-1, keepdim=True)

    def _draw_together(self) -> int:
        """Draw all parts at the same time, and return the number of steps that all of them drew."""
        with ThreadPoolExecutor(len(self._parts)) as pool:
            return min(pool.map(_Rows.draw, self._parts))

    def _divide(self, most: int) -> "list[_Rows]":
        """Return the rows of the batch in at most the given number of parts."""
        batch = len(self._model.states[0][0])
        count = max(1, min(most, batch // _FEWEST_ROWS))
        threads = torch.get_num_threads() if count == 1 and self._weights.held.nbytes >= _SHARED_BYTES else 1
        starts = [batch * index // count for index in range(count + 1)]
        return [_Rows(self._library, self._weights, self._model, slice(*part), threads) for part in pairwise(starts)]


class _Rows:
    """Some rows of the batch: their state, and the call that draws their symbols.

    Args:
        library: Kernels for this processor.
        weights: Weights of the model.
        model: The model, with the state of the whole batch.
        rows: The rows.
        threads: Number of threads that share the products.
    """

    def __init__(
        self, library: Library, weights: GenerationWeights, model: GenerationModel, rows: slice, threads: int
    ) -> None:
        self._library, self._dtype, self._rows = library, model.dtype, rows
        self._held = held = HeldTensors()
        self._layers = (Layer * len(weights.layers))(*weights.layers)
        for layer, gates, state in zip(self._layers, weights.gates, model.states, strict=True):
            hidden, *others = (padded(part[rows], library.lanes) for part in state)
            batch, width = hidden.shape
            layer.gates = held.address(torch.empty(batch, gates * width, dtype=weights.state_dtype))
            # The state before a step, and memory for the state after it.
            layer.hidden = held.address(torch.stack([hidden, hidden]).to(weights.state_dtype))
            layer.carried = held.address(hidden.clone())
            layer.others = held.address(torch.stack([others[0], others[0]])) if others else None
        self.call = Decode.from_buffer_copy(weights.call)
        self.call.rows, self.call.threads = rows.stop - rows.start, threads
        self.call.layers = ctypes.addressof(self._layers)
        self.logits = torch.empty(self.call.rows, self.call.symbol_vectors * library.lanes)
        self.call.logits = self.logits.data_ptr()

    def prepare(self, last: Tensor, uniforms: Tensor) -> None:
        """Set what differs from call to call."""
        call = self.call
        self._uniforms = uniforms[:, self._rows].float().contiguous()
        self.tokens = torch.empty(len(uniforms) + 1, call.rows, dtype=torch.int64)
        self.tokens[0] = last[self._rows]
        self._drawn = self.tokens.numpy()
        call.steps, call.uniforms, call.tokens = len(uniforms), self._uniforms.data_ptr(), self.tokens.data_ptr()

    def draw(self) -> int:
        """Draw the symbols, and return the number of steps: fewer than prepared if the kernel stopped."""
        return self._library.call("decode", self._dtype, self.call)

    def draw_constrained(self, automaton: ConstraintAutomaton, resume: Resume | None) -> int:
        """Draw the symbols that an automaton allows, and return the number of steps."""
        call, remaining, errors = self.call, automaton.remaining, list[BaseException]()
        held = _pass_automaton(automaton, call)

        def continue_after(steps: int) -> bool:
            nonlocal automaton, held
            try:
                automaton.remaining = remaining - steps
                continued = resume(self._drawn[steps]) if resume else None
                if continued is None:
                    return False
                if continued is not automaton:
                    held, automaton = _pass_automaton(continued, call), continued
                call.valid_until = automaton.valid_until
            except BaseException as error:  # noqa: BLE001  # a kernel ignores errors
                errors.append(error)
                return False
            return True

        call.remaining, call.resume = remaining, RESUME(continue_after)
        drawn = self.draw()
        automaton.remaining = remaining - drawn
        if errors:
            raise errors[0]
        return drawn


def _pass_automaton(automaton: ConstraintAutomaton, call: Decode) -> list[Tensor | np.ndarray]:
    """Set the fields of a call to an automaton, and return the tensors and arrays whose addresses they contain."""
    tables: list[Tensor] = [getattr(automaton, name) for name in _TABLES]
    arrays: list[np.ndarray] = [getattr(automaton, name) for name in _ARRAYS]
    addresses = [*(table.data_ptr() for table in tables), *(array.ctypes.data for array in arrays)]
    for name, address in zip(_TABLES + _ARRAYS, addresses, strict=True):
        setattr(call, name, address)
    call.state_count, call.depth = automaton.closing_lengths.numel(), automaton.stacks.shape[1]
    call.largest_closing_length, call.valid_until = automaton.largest_closing_length, automaton.valid_until
    return [*tables, *arrays]
