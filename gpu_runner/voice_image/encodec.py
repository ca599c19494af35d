"""Stands in for the package `encodec`, which vocos imports for sounds that F5-TTS never makes with it.

PyPI's copy of that package is under CC-BY-NC-4.0, which an image for a paid product must not hold (docs/licences.md).
"""


class EncodecModel:
    """A name for vocos to import. Nothing of it is called."""
