"""The contracts, configuration, registry, errors, text, random streams, atomic files, environment, memory and threads."""
