"""The terminal: tables, JSON and progress; exit codes; text from data that cannot steer it."""
