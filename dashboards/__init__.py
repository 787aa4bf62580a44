"""The dashboard: web pages and a JSON API over the registry, which they only read."""
