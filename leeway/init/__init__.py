"""`leeway init`: drafts a project file from a prediction log."""
