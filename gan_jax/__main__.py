"""``python -m gan_jax COMMAND``, as ``gan-jax COMMAND``."""

from gan_jax.commands import main

if __name__ == "__main__":
    main()
