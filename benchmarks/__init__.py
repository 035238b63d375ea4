"""Speed benchmarks of seqforge and other libraries; see docs/benchmarks.md.

python -m benchmarks training --size S --rounds 7
python -m benchmarks all --markdown docs/benchmarks.md
"""
