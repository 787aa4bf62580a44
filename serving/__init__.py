"""Answers by a deadline: predictions by the model version that is champion."""
