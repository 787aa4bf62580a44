"""What to do about drift: decide, build the data, train, validate, promote, audit; Prefect runs it."""
