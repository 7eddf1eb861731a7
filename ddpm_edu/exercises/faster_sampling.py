"""Exercises of the chapter faster-sampling."""
