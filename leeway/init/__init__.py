"""`leeway init`: a project file drafted from a prediction log."""
