"""The database schema: tables, columns, migrations, and the mapping between rows and records."""
