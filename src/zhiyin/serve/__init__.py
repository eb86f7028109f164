"""HTTP over the recommender and the store: answers, feedback, edits, health; knows no torch, no prompts.

Imported only where a server or a client runs: it needs the extra ``serve``.
"""
