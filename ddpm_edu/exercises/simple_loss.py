"""Exercises of the chapter simple-loss."""
