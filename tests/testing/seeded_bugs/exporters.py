"""Exporters that are wrong."""

import itertools

import numpy as np
import torch

from seeded_bugs.bug import bug
from seqforge.kinds import ExportedModel, ExportedPredictor, Exporter, PredictorExporter
from seqforge.testing.exporter_suite import ExporterSuite


class Weights(Exporter):
    """A correct exporter, whose program is a model that stays in memory."""

    def write(self, model, folder):
        (folder / "symbols").write_bytes(b"".join(model.symbols))
        Weights.model = model

    def open(self, folder):
        return Program(Weights.model)


class Program(ExportedModel):
    program = "torch"

    def __init__(self, model):
        self.step, self.states = model, tuple(model.state_tensors.values())

    def read(self, symbols):
        found = []
        with torch.no_grad():
            for symbol in symbols:
                logits, self.states = self.step(torch.tensor([symbol]), self.states)
                found.append(logits[0].numpy())
        return np.stack(found)


@bug(
    ExporterSuite,
    "test_the_program_computes_what_the_model_computes",
    "bits per character on 1,000 symbols in torch, but … in the run",
)
class WithoutInitialStates(Weights):
    """The program starts from zeros."""

    def open(self, folder):
        program = super().open(folder)
        program.states = tuple(map(torch.zeros_like, program.states))
        return program


@bug(
    ExporterSuite,
    "test_the_program_computes_what_the_model_computes",
    "the logits of the program have nothing in common with those of the model",
)
class RoundsToNothing(Weights):
    """The weights are changed, as the exporter says, so much that the program computes zeros."""

    exact = False

    def open(self, folder):
        program = super().open(folder)
        step = program.step
        program.step = lambda symbols, states: (torch.zeros_like(step(symbols, states)[0]), states)
        return program


@bug(ExporterSuite, "test_an_export_depends_on_the_model_only", "`write` changes the parameter `head.bias`")
class DropsTheBias(Weights):
    """The bias of the head is set to zero in place."""

    def write(self, model, folder):
        super().write(model, folder)
        with torch.no_grad():
            model.head.bias.zero_()


@bug(
    ExporterSuite, "test_an_export_depends_on_the_model_only", "the file number differs when the same model is exported"
)
class Numbered(Weights):
    """A file contains a number of the export, as it could contain the time."""

    numbers = itertools.count()

    def write(self, model, folder):
        super().write(model, folder)
        (folder / "number").write_text(str(next(self.numbers)))


@bug(ExporterSuite, "test_an_export_depends_on_the_model_only", "the file source contains a path of this machine")
class WithItsPath(Weights):
    """A file contains the folder of the export."""

    def write(self, model, folder):
        super().write(model, folder)
        (folder / "source").write_text(str(folder))


class Modules(Weights, PredictorExporter):
    """A correct exporter of models of labelled examples."""

    def write_predictor(self, model, folder):
        Modules.predictor = model

    def open_predictor(self, folder):
        return Predictor(Modules.predictor)


class Predictor(ExportedPredictor):
    program = "torch"

    def __init__(self, model):
        self.parts = {"encoder": model.encoder, "decoder": model.decoder}

    def run(self, part, tensors):
        given = {name: torch.from_numpy(array) for name, array in tensors.items()}
        with torch.no_grad():
            found = self.encode(**given) if part == "encoder" else self.parts[part](given.pop("symbols"), given)
        return {name: tensor.numpy() for name, tensor in found.items()}

    def encode(self, inputs, lengths):
        return self.parts["encoder"](inputs, lengths)


@bug(
    ExporterSuite,
    "test_the_program_predicts_what_the_model_predicts",
    "predictions for held-out examples differ in torch",
)
class ReadsThePadding(Modules):
    """The program takes every input for as long as the longest one."""

    def open_predictor(self, folder):
        program = super().open_predictor(folder)
        encode = program.encode
        program.encode = lambda inputs, lengths: encode(inputs, torch.full_like(lengths, len(inputs)))
        return program


@bug(
    ExporterSuite,
    "test_the_program_predicts_what_the_model_predicts",
    "predictions for held-out examples differ in torch",
)
class ForgetsTheDecoder(Modules):
    """The program does not return the state of the decoder after a step."""

    def open_predictor(self, folder):
        program = super().open_predictor(folder)
        decoder = program.parts["decoder"]
        if decoder is not None:
            program.parts["decoder"] = lambda symbols, memory: {
                **decoder(symbols, memory),
                **{f"next_{name}": tensor for name, tensor in memory.items() if name.startswith("layer")},
            }
        return program
