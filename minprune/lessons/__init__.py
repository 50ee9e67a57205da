"""The course: twelve scripts, from two weights to a lottery ticket; `minprune lesson` lists them.

Each runs by itself, `python -m minprune.lessons.lesson_01_two_weights`, and each editor that knows
cells marked by `# %%` runs it piece by piece.
"""
