"""The pure core of the cloud: rules without I/O, without a clock and without ``await``; "now" is an argument."""
