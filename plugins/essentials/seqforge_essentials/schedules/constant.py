"""The same learning rate throughout."""

from seqforge.interfaces import Progress, Schedule


class Constant(Schedule):
    """Leaves the learning rate alone."""

    def factor(self, progress: Progress) -> float:
        """Give 1.

        Args:
            progress: How far the run has come.
        """
        return 1.0
