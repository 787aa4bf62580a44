"""Compatibility with other systems: drift metrics of Evidently, NannyML and TFDV on Leeway's rows.

A team that moves here can compare its old numbers with the new. Each module reproduces one system: its formulas, bins,
treatment of missing values, defaults and verdicts, however they behave on small or large windows. None of these
verdicts is Leeway's own.
"""
