"""Tasks: learning from a stream of text, and learning from labelled examples."""
