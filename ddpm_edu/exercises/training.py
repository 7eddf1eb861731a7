"""Exercises of the chapter training."""
