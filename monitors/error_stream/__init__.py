"""Error-stream drift detection: River's detectors on single losses, outside the false-alarm guarantee."""
