"""Show evaluations and comparisons as tables and pages."""
