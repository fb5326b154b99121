"""A store in order: what must hold in it, what may be forgotten, and how it is carried elsewhere and back.

`inspect` names what does not hold, `contents` and `published_files` look for it in the data and in published files;
`prune` forgets scores of old runs; `export` writes a store as Parquet and makes one of it again.
"""
