"""The page for reviewers: what a browser asks for, who may ask, and how it looks.

It writes nothing but decisions, and those through `culpa.tasks.reviews.decide` like everybody else.
"""
