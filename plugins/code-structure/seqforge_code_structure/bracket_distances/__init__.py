"""The command `c-brackets`: probabilities of closing brackets against the distance to their opening brackets."""
