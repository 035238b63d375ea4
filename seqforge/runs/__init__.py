"""Run directories: their files, the metrics log, the history, summaries and comparisons, and the rules of resuming."""
