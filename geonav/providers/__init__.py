"""Where reference pictures come from; adapters never import each other."""
