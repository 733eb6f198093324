"""The evaluation of a run: scores, pictures, files."""
