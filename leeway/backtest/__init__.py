"""Backtest: the whole loop of monitoring, retraining, gate and promotion replayed on a labelled history."""
