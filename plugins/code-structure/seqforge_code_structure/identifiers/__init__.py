"""Analysis of the names in C: undeclared names, unused variables, and jumps to missing labels."""
