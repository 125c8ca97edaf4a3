"""Policies and rollouts: token-exact conversations, what drives them, and how finished ones are kept.

`Transcript` builds a conversation, a `Policy` continues it, `Trajectory` is a finished one, `agents.store`
keeps them.
"""
