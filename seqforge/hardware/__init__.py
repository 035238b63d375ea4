"""The hardware: processor, GPU, threads and compiler."""

from seqforge.hardware.devices import describe_processor, instruction_sets, multiplies_in_bfloat16

__all__ = ["describe_processor", "instruction_sets", "multiplies_in_bfloat16"]
