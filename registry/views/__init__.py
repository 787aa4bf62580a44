"""Views of the registry for people: what retrains and promotions did, and what was done about an incident."""
