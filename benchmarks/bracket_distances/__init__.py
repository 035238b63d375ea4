"""The probability of closing brackets against the distance to their opening brackets."""
