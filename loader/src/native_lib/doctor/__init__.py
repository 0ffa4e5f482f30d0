"""Say what is wrong with the providers and consumers of an environment; nothing of theirs is run."""
