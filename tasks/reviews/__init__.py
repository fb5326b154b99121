"""What people decide: written one by one, or carried to them as a file and taken in from it.

`decide` writes decisions, all or none; `decision_checks` says what they must be, `decision_files` reads them.
`review_export` writes the queue as a file for people without the store, and `review_import` takes it in again;
`spreadsheet` is Excel's part in both.
"""
