"""Make new records by translation, synthesis and templates."""
