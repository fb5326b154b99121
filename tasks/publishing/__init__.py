"""Publishing: the tags and people's decisions of a run become files, all of them or none.

`publish` is the step. `plan` is what becomes of each row, `guards` says what is refused and why, `sides` writes the
clean rows and the quarantine in the input's own types (`restore`) and weighs them (`balance`), `manifest` tells of it.
"""
