"""Tables of databases: the rows that have not landed yet, by a growing key."""
