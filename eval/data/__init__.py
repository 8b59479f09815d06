"""Find and read the examples of evaluation tasks."""
