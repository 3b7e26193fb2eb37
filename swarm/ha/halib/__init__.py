"""The parts of swarm/ha/ha: the programs of a member of --ha in its container."""
