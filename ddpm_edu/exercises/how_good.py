"""Exercises of the chapter how-good."""
