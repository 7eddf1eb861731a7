"""Exercises of the chapter sampling."""
