"""Other systems' drift numbers on Leeway's rows, so that a team that moves here can see its old ones beside the new.

One module a system gives what that system's code gives: the same formulas, bins, treatment of missing values, defaults
and verdicts, however they behave on small or large windows. None of these verdicts is Leeway's own.
"""
