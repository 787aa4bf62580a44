"""The command line, the project file, and the assembly of the other packages for a project."""
