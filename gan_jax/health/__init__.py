"""What a training state reports about its own health."""
