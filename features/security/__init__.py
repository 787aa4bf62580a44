"""Secrets, certificates and untrusted text: keeps data from acting as a path, a command or a terminal escape."""
