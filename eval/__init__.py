"""Evaluation: suites of tasks by language, scores that say what they are, reports and comparisons."""
