"""Predictors: a loaded model behind one call on columns, as it is or by a faster equal that was proved at load."""
