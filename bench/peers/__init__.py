"""The peers that the benches compare with, each set up as its own documentation advises for this load."""
