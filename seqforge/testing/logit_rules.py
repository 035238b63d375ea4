"""What compiled code does with the rules of samplers, in Python."""

import torch
from torch import Tensor

from seqforge.kinds import LogitRule


def apply_rule(rule: LogitRule, logits: Tensor) -> Tensor:
    """Return logits `[batch, symbols]` after a rule, as a generation kernel computes them."""
    probabilities = logits.double().softmax(-1)
    match rule.kind:
        case "temperature":
            return logits / rule.value
        case "greedy":
            first = torch.nn.functional.one_hot(logits.argmax(-1), logits.shape[-1]).bool()
            return logits.masked_fill(~first, -torch.inf)
        case "top-k":
            least = logits.topk(min(int(rule.value), logits.shape[-1]), dim=-1).values[:, -1:]
            return logits.masked_fill(logits < least, -torch.inf)
        case "min-p":
            least = rule.value * probabilities.amax(-1, keepdim=True)
            return logits.masked_fill(probabilities < least, -torch.inf)
        case "top-p":
            ordered, order = probabilities.sort(dim=-1, descending=True, stable=True)
            before = ordered.cumsum(-1) - ordered
            kept = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, before < rule.value)
            return logits.masked_fill(~kept, -torch.inf)
