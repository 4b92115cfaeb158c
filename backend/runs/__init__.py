"""Runs: where they are kept, who works on them, and how their results leave the house.

`store` is what a page needs, `leases` what a worker needs beside it, `execution` carries one run
out, `worker` is the process that does so one after another, `export` writes results to files.
Importing any of them loads no torch: the engine is imported by the process that executes a run."""
