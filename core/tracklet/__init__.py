"""tracklet."""
