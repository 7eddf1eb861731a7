"""ddpm_edu: the tested package beneath a book on denoising diffusion.

One module for each step of the derivation, and imports flow one way, in the order of the chapters:
schedules, forward, densities, posterior, diffusion; then unet, data, training, classifier, distances and evaluation for the digits;
equations checks what the book prints, widgets and plotting show it.
"""

__version__ = "0.1.0"
