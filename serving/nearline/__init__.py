"""Nearline scoring: files of events answered as they appear, by whichever version is the champion then."""
