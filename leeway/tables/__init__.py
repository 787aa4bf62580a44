"""Tables of databases as event files: new rows land in numbered files, each row in one of them."""
