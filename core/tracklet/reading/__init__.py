"""Reading and searching many records: an index over folders, and the queries of databases."""
