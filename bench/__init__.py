"""Figures that anybody can measure again: `python -m bench` prints those of docs/figures.md."""
