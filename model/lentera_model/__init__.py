"""The words that gateway, cloud and simulator speak: quantities, readings, batches, commands, config, the link.

Pure by rule: no I/O, no await, no clock (the present is an argument) and no randomness of its own.
May import pydantic, msgspec and zstd, and nothing of any other room; every other room may import it.
"""
