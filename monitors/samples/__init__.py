"""Samples: predictions joined with their labels, published slice by slice as these mature."""
