"""What families of frameworks share: boosting, searches, checkpoints, charts, later metrics."""
