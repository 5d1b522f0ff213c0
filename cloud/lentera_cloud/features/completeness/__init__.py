"""Completeness: of every point and hour, how many values were due, are there, and why the others are not."""
