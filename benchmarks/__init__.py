"""Benchmarks of seqforge and other libraries, in alternating rounds. See docs/benchmarks.md.

python -m benchmarks training --size S --rounds 7
python -m benchmarks all --markdown docs/benchmarks.md
"""
