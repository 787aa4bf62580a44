"""Sequential tests: whitened slice scores, conformal e-detectors and the monitors built of them."""
