"""Events as typed tables: decoded from files and topics, encoded back, and published."""
