"""The lab: several real Docker hosts on one machine, for trying stack.yml on a real Swarm."""
