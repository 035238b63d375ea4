"""Benchmarks: seqforge beside its peers, in rounds that alternate; see docs/benchmarks.md.

python -m benchmarks training --size S --rounds 7
python -m benchmarks all --markdown docs/benchmarks.md
"""
