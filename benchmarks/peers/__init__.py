"""The sides: each function sets itself up, then times a round by each clock that it is given."""
