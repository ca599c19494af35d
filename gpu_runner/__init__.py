"""The GPU runner: turns one job's dialogue into spoken lines and one video."""
