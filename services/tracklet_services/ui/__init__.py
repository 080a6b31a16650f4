"""The web UI: what ``tracklet ui`` shows, and the read-only API behind it."""
