"""`python -m leeway` is the `leeway` command."""

from leeway.cli import main

main()
