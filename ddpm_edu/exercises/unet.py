"""Exercises of the chapter unet."""
