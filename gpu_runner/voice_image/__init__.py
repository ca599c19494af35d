"""What the image's other Python environments run: it imports nothing of the runner, and the runner nothing of it."""
