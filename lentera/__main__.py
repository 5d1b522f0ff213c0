"""`python -m lentera` is the command `lentera`."""

from lentera.cli import main

main()
