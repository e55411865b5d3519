"""What serves a pruned model fast: the best items of a catalogue, item-item rows and rows of codes, in C or numpy."""
