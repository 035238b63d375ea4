"""The sections of an experiment: all settings that are not components."""

import re
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Annotated, Any, Literal, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from seqforge.errors import PluginError, did_you_mean, nearest
from seqforge.kinds.table import KINDS
from seqforge.registry.options import registry_of
from seqforge.registry.problems import Problem, format_value, from_validation, raise_problems

_SECONDS = {"s": 1, "min": 60, "h": 3600}
_TEXT = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?(s|min|h|%)")


@lru_cache
def parse_interval(text: str) -> tuple[float, str]:
    """Return a time in seconds with the unit "s", or a part of the run in percent with the unit "%".

    Raises:
        ValueError: If the text is no interval.
    """
    match = _TEXT.fullmatch(text)
    if match is None or float(match[1]) == 0:
        raise ValueError(f"{text!r} is no interval")
    return (float(match[1]), "%") if match[2] == "%" else (float(match[1]) * _SECONDS[match[2]], "s")


def _check(interval: Any) -> Any:
    if isinstance(interval, str):
        with suppress(ValueError):
            parse_interval(interval)
            return interval
    elif isinstance(interval, int) and not isinstance(interval, bool) and 0 < interval <= 10**12:
        return interval
    raise ValueError(
        f"must be a number of steps above 0, a time or a part of the run, not {format_value(interval)}. "
        'Write 500, "20s", "5min", "1h" or "10%".'
    )


Interval = Annotated[
    int | str,
    BeforeValidator(_check),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "exclusiveMinimum": 0, "maximum": 10**12},
                {"type": "string", "pattern": f"^{_TEXT.pattern}$"},
            ]
        }
    ),
]
"""Number of steps, a time such as "20s", "5min" or "1h", or a part of the run such as "10%"."""

AUTO_BACKEND = "auto"
"""Value of `training.backend` for the backend that is measured to be the fastest."""

Count = Annotated[int, Field(gt=0, le=10**12)]
"""A number of things. A larger one is a mistake: a trillion steps of a millisecond take thirty years."""

DEFAULT_STEPS = 2000
"""Number of optimizer steps of a run if the experiment sets no limit."""


LIST_HINTS = {
    kind.key.rpartition(".")[2]: f'Write {kind.table} above each table, or a list such as [use("NAME")] in Python.'
    for kind in KINDS.values()
    if kind.key and kind.many
}
"""How to write each list of components, by the last part of its key."""


class Section(BaseModel):
    """A table of an experiment file. It is strict: an unknown key or a value of another type is an error."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        validate_default=True,
        use_attribute_docstrings=True,
    )

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, values: Any, handler: ModelWrapValidatorHandler["Section"]) -> "Section":
        """Convert the errors of pydantic to problems that name the table and the nearest keys."""
        table = cast("str", cls.model_config.get("title"))
        if not isinstance(values, Mapping):
            hint = f"Write {table} above its keys, or a dict in Python."
            raise_problems([Problem("", f"must be a table, not {format_value(values)}", hint)])
        given = cast("Mapping[str, Any]", values)
        try:
            return handler(given)
        except ValidationError as error:
            raise_problems(from_validation(error, given, "", [*cls.model_fields], table, LIST_HINTS))


def _check_backend(name: str, info: ValidationInfo) -> str:
    """Check that a backend is installed, if the context of the validation has a registry."""
    if info.context is None or name == AUTO_BACKEND:
        return name
    try:
        registry_of(info).find("backend", name)
    except PluginError as error:
        hint = did_you_mean(name, [AUTO_BACKEND]) if nearest(name, [AUTO_BACKEND]) else error.hint
        raise_problems([Problem("", error.message, hint or "")])
    return name


Fraction = Annotated[float, Field(ge=0, lt=1)]
Limit = Annotated[PositiveFloat, Field(le=1e9)]

_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def _check_run_name(name: str) -> str:
    if not _RUN_NAME.fullmatch(name):
        raise ValueError(
            f"{name[:100]!r} cannot be the name of a run. "
            "Use at most 100 letters, digits, '.', '_' and '-', beginning with a letter or a digit."
        )
    return name


RunName = Annotated[
    str, AfterValidator(_check_run_name), Field(json_schema_extra={"pattern": f"^{_RUN_NAME.pattern}$"})
]


class Identity(Section, title="[experiment]"):
    """`[experiment]`: name and seed of the run."""

    name: RunName = "experiment"
    """Name of the run directory. By default, that of the file or of the corpus."""
    seed: Annotated[NonNegativeInt, Field(lt=2**63)] = 1337
    """Seed of the weights, dropout, the order of the data, and samples."""


SPLIT_KEYS = ("split", "validation_fraction", "test_fraction")
"""Keys of `[data]` that select the held-out text."""


class Data(Section, title="[data]"):
    """`[data]`: splits of the corpus, and the order of reading."""

    split: Literal["position", "document"] = "position"
    """Held-out part of a stream of text: its end (position), or whole documents chosen by a hash of their names, so
    that a document stays in its split when the corpus grows (document). Labelled examples are split by their names, or
    as their corpus assigns them."""
    validation_fraction: Fraction = 0.05
    """Fraction held out for evaluation while training; 0 for none."""
    test_fraction: Fraction = 0.0
    """Fraction held out for `seqforge evaluate --split test`."""
    shuffle: bool = True
    """Whether documents or examples are read in a new random order in every epoch."""
    piece_length: Annotated[int, Field(ge=100, le=10**12)] | None = None
    """Number of tokens after which a document is cut for training. The pieces are read in random order, so that the
    weights do not follow one document for long. By default, documents are not cut."""
    reset_state: Literal["document"] | None = None
    """Where the state is reset: at the start of each document, or of each piece of it. By default, the state is carried
    from document to document, and reset at the start of an epoch."""

    @model_validator(mode="after")
    def _check_combinations(self) -> "Data":
        if self.validation_fraction + self.test_fraction >= 1:
            raise ValueError(
                "validation_fraction and test_fraction leave no data to train on. Their sum must be below 1."
            )
        if self.piece_length is not None and not self.shuffle:
            raise ValueError("piece_length has no effect with shuffle = false. Remove one of them.")
        return self


class Training(Section, title="[training]"):
    """`[training]`: length, batches, precision and intervals of training."""

    batch_size: Count = 64
    """Number of sequences in a batch, or maximum number of labelled examples."""
    sequence_length: Count = 100
    """Number of steps of truncated backpropagation through time. The state is carried over to the next sequence."""
    recompute_every: Count | None = None
    """Number of steps after which a sequence is cut to save memory: the backward pass computes each part again. By
    default, the activations of all steps are stored. A decoder reads its targets at once."""
    accumulation: Count = 1
    """Number of batches whose gradients are averaged in one optimizer step."""
    batch_tokens: Count = 32_768
    """Maximum number of input and target steps in a batch of labelled examples, padding included."""
    scheduled_sampling: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Probability that the decoder reads its own output instead of the target, at the end of the run; it grows linearly
    from 0 (Bengio et al. 2015)."""
    steps: Count | None = None
    """Number of optimizer steps after which the run ends."""
    epochs: Limit | None = None
    """Number of passes over the corpus after which the run ends."""
    minutes: Limit | None = None
    """Number of minutes after which the run ends."""
    patience: Count | None = None
    """Number of evaluations without a new best loss after which the run ends."""
    average_decay: Annotated[float, Field(gt=0, le=1)] | None = None
    """Decay, per step, of an exponential moving average of the weights, which is evaluated, sampled and saved as the
    model, such as 0.999; 1 is the mean of all steps. By default, the model has the weights of the last step."""
    average_after: Count | None = None
    """Number of evaluations without a new best loss after which the average begins, with a decay of 1 unless another
    is set (Merity et al. 2018). By default, it begins at the first step."""
    gradient_clip_norm: PositiveFloat | None = None
    """Maximum L2 norm of the gradient; a larger gradient is scaled down."""
    gradient_clip_value: PositiveFloat | None = None
    """Maximum absolute value of an element of the gradient; larger elements are clipped."""
    log_interval: Count = 10
    """Steps between two logged steps in metrics.jsonl."""
    checkpoint_interval: Interval = 500
    """Steps, time or part of the run between two checkpoints, such as 500, "5min" or "10%"."""
    keep_checkpoints: Count = 2
    """Number of latest checkpoints that are kept, in addition to the best."""
    precision: Literal["float32", "tf32", "bfloat16", "auto"] = "float32"
    """Precision of matrix products; `tf32` is float32 with factors that a GPU rounds; `auto` is bfloat16 or float32,
    whichever is faster, as measured before the first step."""
    backend: Annotated[str, AfterValidator(_check_backend)] = AUTO_BACKEND
    """Name of the backend that runs the cells, or `auto` for the fastest on this machine, measured before the first
    step."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`, `mps` and so on; `auto` is a GPU if there is one."""
    deterministic: bool = False
    """Whether a GPU uses only operations that repeat their bits, which may be slower."""

    @model_validator(mode="before")
    @classmethod
    def _limit_steps(cls, values: Any) -> Any:
        """Set the default number of steps if no limit is given."""
        if not isinstance(values, dict):
            return values
        given = cast("dict[str, Any]", values)
        limits = (given.get(name) for name in ("steps", "epochs", "minutes"))
        return {**given, "steps": DEFAULT_STEPS} if all(limit is None for limit in limits) else given


class Evaluation(Section, title="[evaluation]"):
    """`[evaluation]`: evaluation of the validation split while training."""

    interval: Interval = "10%"
    """Steps, time or part of the run between two evaluations, such as 500, "5min" or "10%"."""
    tokens: Annotated[int, Field(ge=2, le=10**12)] = 1_000_000
    """Maximum number of tokens that are scored, in pieces from the whole split. `seqforge evaluate` scores all."""


class Decoding(Section, title="[prediction]"):
    """`[prediction]`: decoding of predicted sequences."""

    beam: Count = 1
    """Width of the beam search; 1 takes the most probable symbol on every step."""
    length_normalization: NonNegativeFloat = 0.0
    """Exponent α of Wu et al. 2016; a larger value favors longer sequences."""
    length: Count = 200
    """Maximum number of symbols in a predicted sequence."""


class Sampling(Section, title="[sampling]"):
    """`[sampling]`: samples drawn while training, by the chain of `[[sampler]]`."""

    interval: Interval = "10%"
    """Steps, time or part of the run between two samples, such as 1000, "20s" or "10%". With a part of the run, the
    first sample is drawn after 20 seconds at the latest."""
    length: Count = 300
    """Number of symbols in a sample."""
    count: Count = 1
    """Number of samples, or of validation examples that are predicted (5 by default)."""
    prompt: Annotated[str, Field(min_length=1)] | None = None
    """Text that each sample starts with. By default, a sample starts at the beginning of a line."""
