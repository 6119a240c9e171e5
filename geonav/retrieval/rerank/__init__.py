"""Ways to put retrieved references into a better order; pure numpy, no pixels."""
