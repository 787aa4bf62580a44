"""Views: what their query makes of facts that it has not seen yet."""
