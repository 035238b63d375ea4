"""The command line as a module, for `torchrun -m seqforge` and `python -m seqforge`."""

from seqforge.cli import main

main()
