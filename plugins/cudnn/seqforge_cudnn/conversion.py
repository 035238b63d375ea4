"""Weights of a cell on torch's kernels to those of the cell of the same name in the plugin `essentials`, and back.

The equations are the same, and so is the order of gates. torch adds two biases where essentials has one; a GRU's
candidate needs both in either, since its reset gate scales the recurrent one.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from seqforge.errors import RunError

_TORCH_NAMES = {"layer.weight_ih_l0", "layer.weight_hh_l0", "layer.bias_ih_l0", "layer.bias_hh_l0"}
_ESSENTIALS_NAMES = {"input_weight", "recurrent_weight", "bias"}
_GRU_GATES = 3


def to_essentials(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the state dict of an RNN, GRU or LSTM of this plugin.

    Args:
        weights: `layer.weight_ih_l0` `[gates, input]`, `layer.weight_hh_l0` `[gates, hidden]`, `layer.bias_ih_l0` and
            `layer.bias_hh_l0` `[gates]`.

    Returns:
        `input_weight`, `recurrent_weight` and `bias`, and a GRU's `recurrent_bias` `[hidden]`.

    Raises:
        RunError: Where they are not such a cell's weights.
    """
    if set(weights) != _TORCH_NAMES:
        raise _unfit(weights, _TORCH_NAMES)
    recurrent_weight = weights["layer.weight_hh_l0"]
    input_bias, recurrent_bias = weights["layer.bias_ih_l0"], weights["layer.bias_hh_l0"]
    converted = {"input_weight": weights["layer.weight_ih_l0"], "recurrent_weight": recurrent_weight}
    if _gates(recurrent_weight) == _GRU_GATES:
        candidate = 2 * recurrent_weight.shape[1]
        summed = input_bias[:candidate] + recurrent_bias[:candidate]
        converted["bias"] = torch.cat([summed, input_bias[candidate:]])
        converted["recurrent_bias"] = recurrent_bias[candidate:].clone()
    else:
        converted["bias"] = input_bias + recurrent_bias
    return converted


def from_essentials(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the state dict of an RNN, GRU or LSTM of the plugin `essentials`.

    Args:
        weights: `input_weight` `[gates, input]`, `recurrent_weight` `[gates, hidden]`, `bias` `[gates]`, and a GRU's
            `recurrent_bias` `[hidden]`.

    Returns:
        The same cell's weights under torch's names, the bias as torch's input bias.

    Raises:
        RunError: Where they are not such a cell's weights, or of a variant that torch has no kernel for: peepholes,
            coupled gates, a reset gate before the product.
    """
    names = _ESSENTIALS_NAMES
    if "recurrent_weight" in weights and _gates(weights["recurrent_weight"]) == _GRU_GATES:
        names = names | {"recurrent_bias"}
    if set(weights) != names:
        raise _unfit(weights, names)
    recurrent_bias = torch.zeros_like(weights["bias"])
    if "recurrent_bias" in names:
        recurrent_bias[-weights["recurrent_bias"].shape[0] :] = weights["recurrent_bias"]
    return {
        "layer.weight_ih_l0": weights["input_weight"],
        "layer.weight_hh_l0": weights["recurrent_weight"],
        "layer.bias_ih_l0": weights["bias"],
        "layer.bias_hh_l0": recurrent_bias,
    }


def _gates(recurrent_weight: Tensor) -> int:
    return recurrent_weight.shape[0] // recurrent_weight.shape[1]


def _unfit(weights: Mapping[str, Tensor], names: set[str]) -> RunError:
    return RunError(
        f"weights {', '.join(sorted(weights))} cannot be converted",
        hint=f"A cell with {', '.join(sorted(names))} can: an RNN, a GRU with its reset gate after the product, or an "
        "LSTM without peepholes or coupled gates.",
    )
