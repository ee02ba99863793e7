"""One artifact, one job. A job is registered by being in this room: each module binds `JOBS`."""
