"""Where arrays lie and which processes share a run."""
