"""Series: what a device measured between two moments, as stored or in windows, as JSON or as CSV."""
