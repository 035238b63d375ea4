"""The loss of a batch of examples, by what the topology writes."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqforge.data import PaddedBatch
from seqforge.interfaces import ExampleSpec, Loss
from seqforge.model import DecoderContext, EncoderOutput, SequenceModel


def example_loss(
    model: SequenceModel,
    spec: ExampleSpec,
    encoded: EncoderOutput,
    batch: PaddedBatch,
    loss: Loss,
    sampled: float = 0.0,
) -> Float[Tensor, ""]:
    """Compare what a model writes for a batch with what is right.

    Args:
        model: On the batch's device.
        spec: What examples are made of.
        encoded: What the model read of the batch.
        batch: The examples.
        loss: Averages over all targets that count.
        sampled: Probability with which a writer reads a symbol that it drew itself in the place of the right one.
    """
    if model.decoder is not None:
        return loss(_write(model, model.decoder_context(encoded), batch.targets, sampled), batch.targets)
    if spec.output_mode == "once":
        return loss(model.predict_once(encoded), batch.targets)
    outputs = model.predict_each_step(encoded)
    return loss(_silent_after_ends(outputs, batch.lengths) if loss.aligns else outputs, batch.targets)


def _write(
    model: SequenceModel, decoder_context: DecoderContext, targets: Int[Tensor, "steps batch"], sampled: float
) -> Float[Tensor, "steps batch symbols"]:
    """Write with the right symbols before each step (teacher forcing, Williams and Zipser 1989), or some drawn ones."""
    end = model.head.out_features - 1
    # The first step reads the end, which nothing else is read before; padding reads it too, and is not counted.
    before = torch.cat([targets.new_full((1, targets.shape[1]), end), targets[:-1]])
    known = before.where(before >= 0, end)
    if not sampled:
        return model.decode(known, decoder_context)[0]
    # Scheduled sampling (Bengio et al. 2015): a step's draw is read by the next, so that they are gone one by one.
    # No gradient flows through a draw.
    states = model.decoder_states(targets.shape[1])
    outputs: list[Tensor] = []
    for step, symbols in enumerate(known.unbind(0)):
        if step:
            drawn = outputs[-1].detach().float().softmax(-1).multinomial(1).squeeze(1)
            own = torch.rand(len(symbols), device=symbols.device) < sampled
            symbols = drawn.where(own, symbols)
        logits, states = model.decode(symbols.unsqueeze(0), decoder_context, states)
        outputs.append(logits[0])
    return torch.stack(outputs)


def _silent_after_ends(
    outputs: Float[Tensor, "time batch symbols"], lengths: Int[Tensor, " batch"]
) -> Float[Tensor, "time batch symbols"]:
    """Make the last symbol, which stands for none, certain on every step of padding.

    Each alignment then goes on over the padding in one way, of probability 1: the loss is that of the row alone.
    """
    padding = torch.arange(len(outputs), device=lengths.device).unsqueeze(1) >= lengths
    # Not merely unlikely: a sequence that no alignment of the row itself gives must not find one in the padding.
    silence = torch.full_like(outputs[0, 0], -torch.inf)
    silence[-1] = 0
    return torch.where(padding.unsqueeze(-1), silence, outputs)
