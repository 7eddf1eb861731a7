"""Exercises of the chapter variational-bound."""
