"""The commands, a module each: thin shells that read the project, call a room and show what came back."""
