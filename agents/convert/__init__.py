"""Trajectories to and from the formats of others; one file a format.

`formats.FORMATS` names them, `deepeyes export` and `deepeyes import` run them, and docs/trajectories.md says
what each keeps. A format of chats is read and written through `deepeyes_env.tasks.sft_json.Conversation`:
`chat.to_conversation` makes one of a trajectory, `importer.Importer` makes a trajectory of one.
"""
