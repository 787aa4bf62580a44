"""Tables, topics and views as directories of files: what is new lands in numbered files, each row in one."""
