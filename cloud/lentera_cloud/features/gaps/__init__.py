"""Known gaps: times in which values may be or are missing, as the gateways told."""
