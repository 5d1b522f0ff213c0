"""How gateways deliver: mode, rate and monthly quota, and live while somebody watches."""
