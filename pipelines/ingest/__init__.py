"""Turn the rows of published sources into records."""
