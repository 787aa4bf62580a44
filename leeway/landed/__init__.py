"""Tables and topics as directories of files: what is new of them lands in numbered files, each row in one of them."""
