"""Speed benchmarks of seqforge and other libraries; see docs/results/benchmarks.md.

python -m benchmarks training --size S --rounds 7
python -m benchmarks all --markdown docs/results/benchmarks.md
"""
