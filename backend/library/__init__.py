"""The models and data sets that Excise knows: built in, from the hub, and what its users brought."""
