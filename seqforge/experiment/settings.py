"""The plain settings of an experiment: everything that is not a component."""

import re
from typing import Annotated, Any, Literal, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

AUTO_BACKEND = "auto"
"""Setting that chooses the fastest backend by measurement."""

DEFAULT_STEPS = 2000
"""How long a run is where the experiment does not say."""


class Section(BaseModel):
    """One table of an experiment file; strict, so that a slip of the pen is told rather than guessed at."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def _fit_for_a_folder(name: str) -> str:
    if not _RUN_NAME.fullmatch(name):
        raise ValueError(
            f"{name[:100]!r} cannot name a run. Write letters, digits, '.', '_' and '-', at most 100 of them, "
            "of which the first is a letter or a digit."
        )
    return name


class Identity(Section):
    """`[experiment]`: what the run is called, and what its chance starts from."""

    name: Annotated[
        str,
        AfterValidator(_fit_for_a_folder),
        Field(description="Names the run directory.", json_schema_extra={"pattern": f"^{_RUN_NAME.pattern}$"}),
    ]
    seed: Annotated[NonNegativeInt, Field(lt=2**63, description="Seeds weights, dropout, order and samples.")] = 1337


class Data(Section):
    """`[data]`: how the corpus is split and read."""

    split: Annotated[
        Literal["position", "document"],
        Field(
            description="Hold out the end of the text (position), or whole documents chosen by a hash of their "
            "names, so that a document stays in its split as the corpus grows (document). Labelled examples are "
            "split by their names, or as their corpus says."
        ),
    ] = "position"
    validation_fraction: Annotated[
        float, Field(ge=0, lt=1, description="Part held out for evaluations; 0 for none.")
    ] = 0.05
    test_fraction: Annotated[
        float, Field(ge=0, lt=1, description="Part that `seqforge evaluate --split test` alone looks at.")
    ] = 0.0
    shuffle: Annotated[bool, Field(description="Read the documents in a new order in every epoch.")] = True

    @model_validator(mode="after")
    def _leave_something_to_train_on(self) -> "Data":
        if self.validation_fraction + self.test_fraction >= 1:
            raise ValueError("validation_fraction and test_fraction leave nothing to train on")
        return self


class Model(Section):
    """`[model]`: the network around the cells, which stand beside it in `[[model.cells]]`."""

    topology: Annotated[
        Literal["one-to-one", "one-to-many", "many-to-one", "many-to-many", "synced"] | None,
        Field(description="Shape of the model. By default it follows from the corpus and the loss."),
    ] = None
    embedding_size: Annotated[
        PositiveInt | None, Field(description="Learn a vector of this size for each symbol; absent: one-hot.")
    ] = None
    dropout: Annotated[
        float, Field(ge=0, lt=1, description="Part of each layer's outputs dropped (Zaremba et al. 2014).")
    ] = 0.0
    bidirectional: Annotated[
        bool, Field(description="Read backwards too (Schuster and Paliwal 1997), where all is there before it is read.")
    ] = False


class Training(Section):
    """`[training]`: truncated backpropagation through time."""

    batch_size: Annotated[PositiveInt, Field(description="Sequences read side by side.")] = 64
    sequence_length: Annotated[PositiveInt, Field(description="Steps between which gradients flow.")] = 100
    accumulation: Annotated[
        PositiveInt, Field(description="Batches whose gradients make one step; each carries its own state.")
    ] = 1
    batch_tokens: Annotated[
        PositiveInt,
        Field(description="Of labelled examples: steps of a batch at most, read and written, padding included."),
    ] = 32_768
    scheduled_sampling: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="Part of the symbols that a writer reads, by the run's end, from what it wrote itself, and not "
            "from what was right; it grows from 0 (Bengio et al. 2015).",
        ),
    ] = 0.0
    steps: Annotated[PositiveInt | None, Field(description="Stop after so many optimizer steps.")] = None
    epochs: Annotated[PositiveFloat | None, Field(description="Stop after so many passes over the corpus.")] = None
    minutes: Annotated[PositiveFloat | None, Field(description="Stop after so many minutes.")] = None
    patience: Annotated[PositiveInt | None, Field(description="Stop after so many evaluations without a new best.")] = (
        None
    )
    gradient_clip_norm: Annotated[
        PositiveFloat | None, Field(description="Scale the gradient to at most this L2 norm.")
    ] = None
    gradient_clip_value: Annotated[
        PositiveFloat | None, Field(description="Clip each component of the gradient to this size.")
    ] = None
    log_interval: Annotated[PositiveInt, Field(description="Steps between two lines of metrics.jsonl.")] = 10
    checkpoint_interval: Annotated[PositiveInt, Field(description="Steps between two checkpoints.")] = 500
    keep_checkpoints: Annotated[PositiveInt, Field(description="Latest checkpoints kept, beside the best.")] = 2
    precision: Annotated[
        Literal["float32", "bfloat16", "auto"],
        Field(description="Of products; parameters and states are float32. auto: bfloat16 where the processor has it."),
    ] = "float32"
    backend: Annotated[
        str,
        Field(
            description="Backend that runs the cells: the name of one, or `auto` for the fastest on this machine, "
            "measured before the first step."
        ),
    ] = AUTO_BACKEND
    device: Annotated[str, Field(description="`auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:1`, …")] = "auto"

    @model_validator(mode="before")
    @classmethod
    def _end_somewhere(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        given = cast("dict[str, Any]", values)
        limits = (given.get(name) for name in ("steps", "epochs", "minutes"))
        return {**given, "steps": DEFAULT_STEPS} if all(limit is None for limit in limits) else given


class Evaluation(Section):
    """`[evaluation]`: scoring the validation split while training."""

    interval: Annotated[PositiveInt, Field(description="Steps between two evaluations.")] = 500
    tokens: Annotated[
        int, Field(ge=2, description="Score at most so many tokens of the split; `seqforge evaluate` scores all.")
    ] = 1_000_000


class Prediction(Section):
    """`[prediction]`: how a sequence is written for an example."""

    beam: Annotated[
        PositiveInt, Field(description="Width of the beam search; 1 takes the likeliest symbol on each step.")
    ] = 1
    length_normalization: Annotated[
        NonNegativeFloat,
        Field(description="α of Wu et al. 2016: how much a longer sequence is helped against a shorter."),
    ] = 0.0
    length: Annotated[PositiveInt, Field(description="Symbols to write at most.")] = 200


class Sampling(Section):
    """`[sampling]`: samples drawn while training, by the chain of `[[sampler]]`."""

    interval: Annotated[PositiveInt, Field(description="Steps between two samples.")] = 1000
    length: Annotated[PositiveInt, Field(description="Symbols to draw.")] = 300
    count: Annotated[
        PositiveInt, Field(description="Samples to draw; of labelled examples, how many to answer (by default 5).")
    ] = 1
    prompt: Annotated[
        str | None, Field(min_length=1, description="What each sample starts with; absent: a line's start.")
    ] = None


SECTIONS: dict[str, type[Section]] = {
    "experiment": Identity,
    "data": Data,
    "model": Model,
    "training": Training,
    "evaluation": Evaluation,
    "prediction": Prediction,
    "sampling": Sampling,
}
"""The sections by the name of their table."""
