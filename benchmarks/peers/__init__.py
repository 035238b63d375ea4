"""The sides: each function prepares itself, then times one round with each clock that it receives."""
