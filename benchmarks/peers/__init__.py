"""The programs to measure. Each is a function that prepares its work and times one round with each clock."""
