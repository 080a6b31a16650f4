"""The functions that scripts call: recording into the active run, without naming it."""
