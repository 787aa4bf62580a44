"""A model's streaming job from start to end: submitted, consumed, reconnected, and its clock."""
