"""What every store of series shares: the rules a reading must keep, packed records, windows, and grouped writes.

Pure except for `grouping`, which is asyncio without any I/O of its own.
"""
