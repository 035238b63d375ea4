"""What a character-level model learns of C, and when: its samples at several moments of training, scored.

python -m benchmarks.c_learning runs/linux-code-structure
"""
