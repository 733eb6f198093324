"""Checks and measures everything on one machine, within a time limit: ``benchmark.py --suite``.

`plan` lists the tasks without JAX; `running` carries them out in a process of their own, so that
neither an error nor a lack of memory stops the rest; `page` makes tables from the results.
"""
