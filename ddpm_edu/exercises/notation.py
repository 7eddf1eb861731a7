"""Exercises of the chapter notation."""
