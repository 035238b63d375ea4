"""Options that several cells have."""

from typing import Annotated

from pydantic import Field, PositiveInt

HiddenSize = Annotated[PositiveInt, Field(description="Size of the output: the values of all heads.")]
Heads = Annotated[PositiveInt, Field(description="Number of heads. Each has a matrix as its state.")]
KeySize = Annotated[PositiveInt, Field(description="Number of keys of a head: the rows of its state.")]
