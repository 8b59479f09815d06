"""Turn stage folders into one collection: no duplicates, no evaluation text, split by language."""
