"""The incident life cycle: reports ingested in order, sequential verdicts, opening and closing rules."""
