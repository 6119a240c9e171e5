"""One function per command: it takes a database and settings, and returns a report."""
