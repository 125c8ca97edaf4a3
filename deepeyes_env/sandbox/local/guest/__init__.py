"""What runs in the sandbox's own process: it imports only the standard library and the guest's libraries.

The host starts it by path (`process.py`), under another package name and without the project around it, so
that no other module of the project is ever readable by a guest. Inside, imports are therefore relative.
"""
