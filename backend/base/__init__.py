"""What every room stands on: events, errors, components, paths, numbers, the device and the warm process."""
