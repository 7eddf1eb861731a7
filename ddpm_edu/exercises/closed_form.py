"""Exercises of the chapter closed-form."""
