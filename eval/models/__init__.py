"""One file a kind of model that can be judged."""
