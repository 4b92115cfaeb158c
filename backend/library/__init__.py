"""The library of models and data sets: built in, from the hub, and added by users."""
