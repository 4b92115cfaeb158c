import os
import sys

# Set before torch starts its threads: waiting threads then sleep instead of spinning, so that a
# training run and a browser on the same two cores do not slow each other down many times over.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if sys.argv[1:2] == ["dashboard"]:  # which starts its server before it loads what the others need
    from backend.cli.dashboard import main
else:
    from backend.cli.main import main

if __name__ == "__main__":
    main()
