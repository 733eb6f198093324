"""``python -m gan_jax.recognizers``, as ``gan-jax recognizers``."""

import sys

from gan_jax.commands.recognizers import main

if __name__ == "__main__":
    sys.exit(main())
