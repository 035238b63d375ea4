"""Each module's own initial values."""

from torch import Tensor

from seqforge.interfaces import Initializer


class Default(Initializer):
    """Leaves every parameter as its module made it."""

    def initialize(self, name: str, parameter: Tensor) -> None:
        """Leave the parameter alone.

        Args:
            name: Its dotted name.
            parameter: The tensor.
        """
