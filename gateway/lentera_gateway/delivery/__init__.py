"""How much goes over the air: the month's count, the rate, and what is left out when the month's quota runs short."""
