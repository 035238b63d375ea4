"""Optimizers over `torch.optim`, without weight decay on biases."""
