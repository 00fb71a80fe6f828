"""The stack as local processes: the programs found, their ports, their configuration, their life."""
