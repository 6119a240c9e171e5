"""From matches to a pose, its uncertainty, and the decision whether to believe it.

``solve`` takes a query and posed references with matches; it knows no files, no networks, no database.
"""
