"""The parts of swarm/ha/ha: what a member of --ha does in its container."""
