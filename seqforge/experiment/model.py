"""`[model]`: the network, with its components."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

from pydantic import (
    AfterValidator,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from seqforge.experiment.settings import Count, Fraction, Section
from seqforge.registry.component import Component
from seqforge.registry.options import Part, default
from seqforge.registry.problems import Problem, from_validation, raise_problems

Penalty = Annotated[float, Field(ge=0, le=1e9)]


class Layer(Section, title="[[model.cells]]"):
    """The keys of `[[model.cells]]` that are not options of the cell."""

    repeat: Annotated[int, Field(ge=1, le=1000)] = 1
    """Number of layers with this cell and these options."""


def _check_layer(table: Any, handler: ValidatorFunctionWrapHandler) -> list[Component]:
    """Return the cell of a table once for each layer."""
    keys: dict[str, Any] = {}
    if isinstance(table, Mapping | str):
        table = {"use": table} if isinstance(table, str) else dict(cast("Mapping[str, Any]", table))
        keys = {name: table.pop(name) for name in Layer.model_fields if name in table}
    problems: list[Problem] = []
    layer, component = Layer(), None
    try:
        layer = Layer.model_validate(keys)
    except ValidationError as error:
        problems += from_validation(error, keys, "", [], "")
    try:
        component = handler(table)
    except ValidationError as error:
        problems += from_validation(error, {}, "", [], "")
    if component is None or problems:
        raise_problems(problems)
    return [component] * layer.repeat


def _join(layers: list[list[Component]]) -> list[Component]:
    return [cell for layer in layers for cell in layer]


class Regularization(Section, title="[model]"):
    """The keys of `[model]` that act in training only."""

    dropout: Fraction = 0.0
    """Fraction of the outputs of each layer that is dropped while training (Zaremba et al. 2014)."""
    dropout_mask: Literal["sequence"] | None = None
    """Whether `dropout` and `input_dropout` draw what they drop once for all steps of a sequence (Gal and Ghahramani
    2016). The state that is carried to the next sequence is not masked. By default, they draw for every step."""
    input_dropout: Fraction | None = None
    """Fraction of the elements of each input vector of the lowest layer that is dropped while training."""
    embedding_dropout: Fraction | None = None
    """Fraction of the symbols whose embedding is zero in a batch while training (Gal and Ghahramani 2016)."""
    weight_drop: Fraction | None = None
    """Fraction of the recurrent weights that is zero in a batch while training (Merity et al. 2018)."""
    activation_penalty: Penalty | None = None
    """Factor α of the mean square of the outputs of the highest layer, after dropout, in the loss (Merity et al.
    2018)."""
    temporal_activation_penalty: Penalty | None = None
    """Factor β of the mean square of the change of these outputs, before dropout, from step to step in the loss; with
    `training.recompute_every`, within its parts (Merity et al. 2018)."""


class Model(Regularization, title="[model]"):
    """`[model]`: the network. Its cells have their own tables `[[model.cells]]`."""

    topology: Literal["one-to-one", "one-to-many", "many-to-one", "many-to-many", "synced"] | None = None
    """Topology of the model. By default, it follows from the corpus and the loss."""
    embedding_size: Count | None = None
    """Size of the embedding of each symbol. By default, symbols are one-hot vectors."""
    cells: Annotated[
        list[Annotated[Component, Part("cell"), WrapValidator(_check_layer)]],
        Field(min_length=1),
        AfterValidator(_join),
    ] = default("cell")
    """One cell for each layer, from the input to the output."""
    attention: Annotated[Component, Part("attention")] | None = None
    """Attention of the decoder, if there is one."""
    initializer: Annotated[Component, Part("initializer")] = default("initializer")
    """Initial weights."""
    final_norm: Literal["rms", "layer"] | None = None
    """Norm of the outputs of the highest layer, before the head: root mean square (Zhang and Sennrich 2019), or layer
    norm. Stacks of residual blocks need one."""
    tied_weights: bool = False
    """Whether the embedding is also the weight of the head (Press and Wolf 2017)."""
    initial_state: Literal["learned"] | None = None
    """Whether the states before the first step are parameters, which are trained with the weights. By default, they are
    those of the cells, such as zeros."""
    bidirectional: bool = False
    """Whether labelled examples are also read backwards (Schuster and Paliwal 1997)."""
