"""Training: the loop, the optimizer step, and the callbacks that receive events."""
