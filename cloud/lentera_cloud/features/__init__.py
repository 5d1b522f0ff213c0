"""Features: one folder each with ``routes``, ``service`` and ``schemas``; they never import one another."""
