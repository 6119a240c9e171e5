"""Files that other tools read and write: one module a format, each knowing nothing of the others."""
