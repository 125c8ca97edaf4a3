"""Episodes on a server: `deepeyes serve env` runs them, `remote=URL` of any environment plays them.

    POST /sessions                       -> a stream: the greeting as a line of JSON, then blank ones
    POST /sessions/S/episodes            {index, split, seed} -> {episode, observation, info}
    POST /sessions/S/episodes/E/turns    {text} -> {observation, reward, terminated, truncated, info}
    POST /sessions/S/episodes/E/abandon  -> the same
    DELETE /sessions/S/episodes/E
    GET  /sessions/S/images/SHA256       -> the bytes of an image that an observation names
    GET  /health

A session lives as long as its stream: when the connection drops, its episodes end and free what they hold.
Plain HTTP, because a stream tells as much as a WebSocket would, and every proxy and client knows it.
"""
