"""Secrets, certificates and text from outside: what keeps data from being obeyed as a path or a command."""
