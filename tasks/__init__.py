"""The steps of cleaning a table: files, DuckDB and SQL live here, the mathematics in culpa.influence."""
