"""Peak memory of this process and its first device."""

from __future__ import annotations

import sys

import jax


def peaks() -> dict[str, float]:
    """``process_peak_mib`` of the host (not on Windows), and ``device_peak_mib`` if the device
    reports it; CPUs do not.
    """
    peaks = {}
    if sys.platform != "win32":
        import resource

        unit = (
            1 if sys.platform == "darwin" else 1024
        )  # getrusage(2): bytes there, kibibytes on Linux
        peaks["process_peak_mib"] = round(
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1
        )
    on_device = (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    if on_device is not None:
        peaks["device_peak_mib"] = round(on_device / 2**20, 1)
    return peaks
