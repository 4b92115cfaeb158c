"""Find the trigger of a classifier that may be backdoored: scan the vocabulary, grow the best finds, confirm
them on other rows, and tell triggers from words that honestly carry a class."""
