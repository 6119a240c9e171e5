"""Experiments: scores, and reports people can look at."""
