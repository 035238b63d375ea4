"""A frozen benchmark of `seqforge c-structure`: sources on which no rule was chosen, and none may be."""
