"""Generation: the sampling loop with any chain of samplers, decoding of sequences, and predictions for examples."""
