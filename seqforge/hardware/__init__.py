"""The hardware: processor, GPU, threads and compiler."""

from seqforge.hardware.devices import choose_device, describe_processor, instruction_sets, multiplies_in_bfloat16

__all__ = ["choose_device", "describe_processor", "instruction_sets", "multiplies_in_bfloat16"]
