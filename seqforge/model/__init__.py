"""The model: input layer, stack of cells, head, and the choice of backends."""
