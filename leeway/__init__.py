"""The front door: command line, project file and the way the rooms are put together."""
