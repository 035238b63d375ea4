"""Cells with a matrix state for each head."""

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Register the cells."""
    register.add("cell", "gla", "seqforge_matrix_cells.gla:GLA")
    register.add("cell", "gated-deltanet", "seqforge_matrix_cells.gated_deltanet:GatedDeltaNet")
    register.add("cell", "hgrn-2", "seqforge_matrix_cells.hgrn:HGRN2")
    register.add("cell", "mamba-2", "seqforge_matrix_cells.mamba:Mamba2")
    register.add("cell", "mlstm", "seqforge_matrix_cells.mlstm:MLSTM")
    register.add("cell", "rwkv-7", "seqforge_matrix_cells.rwkv:RWKV7")
