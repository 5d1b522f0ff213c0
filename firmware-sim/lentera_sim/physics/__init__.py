"""Pure physics: grid, loads, luminaires and three-phase meters as functions of (seed, device, simulated time)."""
