"""Schedules: the learning rate over a run."""
