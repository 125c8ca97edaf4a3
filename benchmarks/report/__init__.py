"""An evaluation as one JSON, one page and one table: `document.py` says what they hold.

Everything is computed from a `run_folder.Run`; nothing is asked again.
"""
