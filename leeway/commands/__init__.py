"""The commands of `leeway`, by module: each reads the project, calls a package and prints the result."""
