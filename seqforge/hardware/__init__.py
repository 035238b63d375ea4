"""The hardware: processor, GPU, threads and compiler."""

from seqforge.hardware.devices import choose_device, multiplies_in_bfloat16
from seqforge.hardware.processor import describe_processor, instruction_sets

__all__ = ["choose_device", "describe_processor", "instruction_sets", "multiplies_in_bfloat16"]
