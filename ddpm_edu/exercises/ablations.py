"""Exercises of the chapter ablations."""
