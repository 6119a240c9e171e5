"""Finding vectors near one: it knows vectors and the names of entries, not pictures."""
