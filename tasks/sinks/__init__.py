"""Where the cleaned data goes: files here or in a store of files, a partitioned folder, PostgreSQL, Delta Lake."""
