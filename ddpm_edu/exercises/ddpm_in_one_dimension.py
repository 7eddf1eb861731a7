"""Exercises of the chapter ddpm-in-one-dimension."""
