"""Commands to lamps: asked for by people, carried by links, followed until proved, failed or expired."""
