"""A wave that is computed, until it says what is measured."""
