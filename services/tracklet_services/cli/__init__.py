"""The command line, ``tracklet``: look at the record, tidy it up, and see what is installed."""
