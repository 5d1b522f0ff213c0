"""What every store of series shares: the rules a reading must keep, packed records, and windows. Pure."""
